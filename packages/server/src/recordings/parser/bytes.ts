import { fstatSync, readSync } from 'node:fs';

const STDIN = 0;
/**
 * Parsers go from the front to the back in small steps, in a few places at once: one read of the
 * system serves many of them.
 */
const WINDOW_BYTES = 64 * 1024;
const WINDOWS_MAX = 4;

interface Window {
  readonly at: number;
  readonly bytes: Buffer;
}

/** The file that is this process's standard input. */
export class Bytes {
  readonly sizeBytes = fstatSync(STDIN).size;
  /** The last used one is the first. */
  #windows: Window[] = [];

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

  /** The same for a few bytes, which the caller does not change. */
  peek(at: number, length: number): Buffer {
    const [first] = this.#windows;
    if (first !== undefined && isIn(first, at, length)) return part(first, at, length);
    const found = this.#windows.findIndex(one => isIn(one, at, length));
    const window =
      found < 0
        ? { at, bytes: this.read(at, Math.max(length, WINDOW_BYTES)) }
        : this.#windows.splice(found, 1)[0]!;
    this.#windows = [window, ...this.#windows.slice(0, WINDOWS_MAX - 1)];
    return part(window, at, length);
  }

  /** Big-endian; 0 where the file ends before. */
  uint32(at: number): number {
    const buffer = this.peek(at, 4);
    return buffer.length === 4 ? buffer.readUInt32BE() : 0;
  }

  /** The same with eight bytes, as precisely as a number is. */
  uint64(at: number): number {
    return this.uint32(at) * 2 ** 32 + this.uint32(at + 4);
  }

  /** Characters of one byte each. */
  text(at: number, length: number): string {
    return this.peek(at, length).toString('latin1');
  }

  /** Where `text` stands next, or -1. */
  find(text: string, from: number): number {
    for (let at = from; at < this.sizeBytes; at += WINDOW_BYTES - text.length) {
      const found = this.read(at, WINDOW_BYTES).indexOf(text, 0, 'latin1');
      if (found >= 0) return at + found;
    }
    return -1;
  }
}

function isIn(window: Window, at: number, length: number): boolean {
  return at >= window.at && at + length <= window.at + window.bytes.length;
}

function part(window: Window, at: number, length: number): Buffer {
  return window.bytes.subarray(at - window.at, at - window.at + length);
}
