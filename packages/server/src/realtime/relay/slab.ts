/**
 * Gives bytes a place of their own on their way out of a read buffer that will be overwritten.
 *
 * Nearly every write is taken by the kernel at once; then the place is given back and used again,
 * so that forwarding a frame costs one memory copy and no garbage but a small view. A place whose
 * write is still waiting stays taken, and its block is left to the garbage collector once full.
 * One slab serves all sessions of a process: copying, writing and giving back happen in one go.
 */
import { slabBlockBytes } from './limits.ts';

export class Slab {
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** A copy of `[from, to)` of `source`. */
  copy(source: Buffer, from: number, to: number): Buffer {
    const length = to - from;
    if (length > this.#block.length - this.#at) {
      if (length > slabBlockBytes) return Buffer.from(source.subarray(from, to));
      this.#block = Buffer.allocUnsafeSlow(slabBlockBytes);
      this.#at = 0;
    }
    source.copy(this.#block, this.#at, from, to);
    const copy = this.#block.subarray(this.#at, this.#at + length);
    this.#at += length;
    return copy;
  }

  /** Takes back the last copy given, which nobody may look at any more. */
  giveBack(copy: Buffer): void {
    if (copy.buffer === this.#block.buffer && copy.byteOffset + copy.length === this.#at) {
      this.#at = copy.byteOffset;
    }
  }
}
