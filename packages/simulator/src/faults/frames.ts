/**
 * Server frames written by hand, for faults that no WebSocket library would commit. RFC 6455 §5.2.
 */
export const OPCODE = { text: 0x1, close: 0x8 } as const;

/** A frame of at most 125 bytes of payload whose first byte is given as it is. */
export function rawFrame(firstByte: number, payload: Buffer, masked = false): Buffer {
  const header = Buffer.from([firstByte, payload.length | (masked ? 0x80 : 0)]);
  return Buffer.concat([header, masked ? Buffer.alloc(4) : Buffer.alloc(0), payload]);
}

/** A close frame with any code at all. */
export function closeFrame(code: number, reason: string): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return rawFrame(0x80 | OPCODE.close, payload);
}
