import { describe, expect, it } from 'vitest';
import { FrameScanner, FrameViolation, SCAN_CONTROL, SCAN_DATA } from './frame-scanner.ts';
import { applyMask } from './masking.ts';
import { rawFrame } from './testbed.ts';

const limit = 1024;

function scannerFor(masked: boolean): FrameScanner {
  return new FrameScanner({ masked, maxMessageBytes: limit });
}

/** Scans `bytes` cut into `sizeBytes` pieces; answers a transcript and the bytes to forward. */
function scan(scanner: FrameScanner, bytes: Buffer, sizeBytes: number) {
  const seen: string[] = [];
  const forwarded: Buffer[] = [];
  let message = '';
  for (let from = 0; from < bytes.length; from += sizeBytes) {
    const chunk = bytes.subarray(from, from + sizeBytes);
    for (let at = 0; at < chunk.length; at = scanner.next) {
      const found = scanner.step(chunk, at);
      if (found === SCAN_CONTROL) seen.push(`control ${scanner.opcode} ${scanner.control}`);
      if (found !== SCAN_DATA) continue;
      if (scanner.carried !== null) forwarded.push(scanner.carried);
      forwarded.push(chunk.subarray(scanner.frameStart, scanner.next));
      const piece = Buffer.from(chunk.subarray(scanner.pieceStart, scanner.pieceEnd));
      applyMask(piece, scanner.mask, scanner.maskPhase);
      if (scanner.messageStart) message = `message ${scanner.opcode} `;
      message += piece.toString('latin1');
      if (scanner.messageEnd) seen.push(message);
    }
  }
  return { seen, forwarded: Buffer.concat(forwarded) };
}

describe('FrameScanner', () => {
  for (const masked of [true, false]) {
    it(`finds frames however they are cut (${masked ? 'client' : 'server'})`, () => {
      const data = [
        rawFrame(1, 'short', { masked }),
        rawFrame(1, '', { masked }),
        rawFrame(2, 'x'.repeat(300), { masked, fin: false }),
        rawFrame(0, 'y'.repeat(125), { masked, fin: false }),
        rawFrame(0, '', { masked }),
        rawFrame(1, 'z'.repeat(126), { masked }),
      ];
      const controls = [
        rawFrame(9, 'ping', { masked }),
        rawFrame(10, '', { masked }),
        rawFrame(8, Buffer.from([3, 232]), { masked }),
      ];
      const [a, b, c, d, e, f] = data as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];
      const all = Buffer.concat([a, controls[0]!, b, c, controls[1]!, d, e, f, controls[2]!]);
      for (let sizeBytes = 1; sizeBytes <= all.length; sizeBytes++) {
        const { seen, forwarded } = scan(scannerFor(masked), all, sizeBytes);
        expect(seen).toEqual([
          'message 1 short',
          'control 9 ping',
          'message 1 ',
          'control 10 ',
          `message 2 ${'x'.repeat(300)}${'y'.repeat(125)}`,
          `message 1 ${'z'.repeat(126)}`,
          'control 8 \x03\ufffd',
        ]);
        expect(forwarded.equals(Buffer.concat(data))).toBe(true);
      }
    });
  }

  it('tells where it stands', () => {
    const scanner = scannerFor(false);
    const frame = rawFrame(1, 'abcdef', { fin: false });
    scanner.step(frame.subarray(0, 4), 0);
    expect([scanner.insideFrame, scanner.insideMessage]).toEqual([true, true]);
    scanner.step(frame.subarray(4), 0);
    expect([scanner.insideFrame, scanner.insideMessage]).toEqual([false, true]);
    scanner.step(rawFrame(0, ''), 0);
    expect([scanner.insideFrame, scanner.insideMessage]).toEqual([false, false]);
  });

  const m = { masked: true };
  const violations: [string, number, Buffer[]][] = [
    ['reserved bit 1', 1002, [rawFrame(1, 'a', { ...m, rsv: 4 })]],
    ['reserved bit 2', 1002, [rawFrame(1, 'a', { ...m, rsv: 2 })]],
    ['reserved bit 3', 1002, [rawFrame(9, 'a', { ...m, rsv: 1 })]],
    ['unmasked client frame', 1002, [rawFrame(1, 'a')]],
    ['bad data opcode', 1002, [rawFrame(3, 'a', m)]],
    ['bad control opcode', 1002, [rawFrame(11, 'a', m)]],
    ['long control frame', 1002, [rawFrame(9, 'a'.repeat(126), m)]],
    ['fragmented control frame', 1002, [rawFrame(9, 'a', { ...m, fin: false })]],
    ['close of one byte', 1002, [rawFrame(8, 'a', m)]],
    ['continuation without start', 1002, [rawFrame(0, 'a', m)]],
    [
      'message inside a message',
      1002,
      [rawFrame(1, 'a', { ...m, fin: false }), rawFrame(1, '', m)],
    ],
    ['frame over the limit', 1009, [rawFrame(1, 'a'.repeat(limit + 1), m)]],
    ['10 GB announced', 1009, [rawFrame(2, '', { ...m, length: 10 * 2 ** 30 })]],
    [
      'fragments over the limit together',
      1009,
      [rawFrame(1, 'a'.repeat(limit), { ...m, fin: false }), rawFrame(0, 'a', m)],
    ],
  ];
  for (const [name, code, frames] of violations) {
    it(`refuses: ${name} (${code}), however cut`, () => {
      const bytes = Buffer.concat(frames);
      for (const sizeBytes of [1, 2, 3, 7, bytes.length]) {
        let thrown: unknown;
        try {
          scan(scannerFor(true), bytes, sizeBytes);
        } catch (error) {
          thrown = error;
        }
        expect(thrown).toBeInstanceOf(FrameViolation);
        expect((thrown as FrameViolation).closeCode).toBe(code);
      }
    });
  }

  it('refuses a masked server frame', () => {
    expect(() => scan(scannerFor(false), rawFrame(1, 'a', m), 100)).toThrow('masked');
  });

  it('takes a message of exactly the limit, in one frame or in several', () => {
    const whole = rawFrame(1, 'a'.repeat(limit), m);
    const parts = [rawFrame(1, 'a', { ...m, fin: false }), rawFrame(0, 'a'.repeat(limit - 1), m)];
    const { seen } = scan(scannerFor(true), Buffer.concat([whole, ...parts, whole]), 50);
    expect(seen.map(text => text.length)).toEqual([1, 1, 1].map(() => limit + 'message 1 '.length));
  });

  it('judges an announced length before the mask is there', () => {
    const scanner = scannerFor(true);
    const header = rawFrame(2, '', { ...m, length: 10 * 2 ** 30 }).subarray(0, 10);
    expect(() => scanner.step(header, 0)).toThrow('too long');
  });
});
