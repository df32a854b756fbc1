import { z } from 'zod';
import { defineFault, ruleFields, triggerFields } from './fault.ts';
import { OPCODE, rawFrame } from './frames.ts';

const FIN = 0x80;
const RESERVED_BIT = 0x40;
const LONG_PING_BYTES = 126;

/** A ping longer than the 125 bytes a control frame may have, with a 16-bit length. */
function longPing(): Buffer {
  const header = Buffer.from([FIN | 0x9, 126, 0, LONG_PING_BYTES]);
  return Buffer.concat([header, Buffer.alloc(LONG_PING_BYTES)]);
}

/** A text frame that announces 10 GB and never sends them. */
function hugeLength(): Buffer {
  const header = Buffer.alloc(10);
  header[0] = FIN | OPCODE.text;
  header[1] = 127;
  header.writeBigUInt64BE(10_000_000_000n, 2);
  return header;
}

const HELLO = Buffer.from('{}');
const FRAMES = {
  reserved_bit: () => rawFrame(FIN | RESERVED_BIT | OPCODE.text, HELLO),
  bad_opcode: () => rawFrame(FIN | 0x3, HELLO),
  masked: () => rawFrame(FIN | OPCODE.text, HELLO, true),
  invalid_utf8: () => rawFrame(FIN | OPCODE.text, Buffer.from([0x22, 0xff, 0xfe, 0x22])),
  long_control: longPing,
  fragmented_control: () => rawFrame(0x9, HELLO),
  lone_continuation: () => rawFrame(FIN, HELLO),
  huge_length: hugeLength,
  close_without_code: () => rawFrame(FIN | OPCODE.close, Buffer.from([0x03])),
};
const KINDS = Object.keys(FRAMES) as (keyof typeof FRAMES)[];

export const malformed = defineFault({
  description: 'Writes a frame that breaks RFC 6455.',
  schema: z.strictObject({
    fault: z.literal('malformed'),
    ...ruleFields,
    ...triggerFields,
    kind: z.enum(KINDS),
  }),
  onOpen(params, target) {
    target.when(params, () => target.sendRaw(FRAMES[params.kind]()));
  },
});
