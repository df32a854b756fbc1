import { fstatSync, readSync } from 'node:fs';

const STDIN = 0;

/** The file that is this process's standard input. */
export class Bytes {
  readonly sizeBytes = fstatSync(STDIN).size;

  /** From `at` on; fewer than `length` where the file ends. */
  read(at: number, length: number): Buffer {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, this.sizeBytes - at)));
    let filled = 0;
    while (filled < buffer.length) {
      const bytesRead = readSync(STDIN, buffer, filled, buffer.length - filled, at + filled);
      if (bytesRead === 0) throw new Error('the file has become shorter');
      filled += bytesRead;
    }
    return buffer;
  }

  /** Big-endian; 0 where the file ends before. */
  uint32(at: number): number {
    const buffer = this.read(at, 4);
    return buffer.length === 4 ? buffer.readUInt32BE() : 0;
  }
}
