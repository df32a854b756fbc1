/**
 * Gives bytes a place of their own on their way out of a read buffer that will be overwritten.
 *
 * Nearly every write is taken by the kernel at once; then the place is given back and used again,
 * so that forwarding a frame costs one memory copy and no garbage. A place whose write is still
 * waiting stays taken, and its block is left to the garbage collector once full. One slab serves
 * all sessions of a process: copying, writing and giving back happen in one go.
 */
import { slabBlockBytes } from './limits.ts';
import { Views } from './views.ts';

export class Slab {
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Views from `#at` on. */
  #views = new Views(this.#block);

  /** A copy of `[from, to)` of `source`. */
  copy(source: Buffer, from: number, to: number): Buffer {
    const length = to - from;
    if (length > this.#block.length - this.#at) {
      if (length > slabBlockBytes) return Buffer.from(source.subarray(from, to));
      this.#block = Buffer.allocUnsafeSlow(slabBlockBytes);
      this.#at = 0;
    }
    if (this.#views.start !== this.#at || this.#views.buffer !== this.#block) {
      this.#views = new Views(this.#block, this.#at);
    }
    source.copy(this.#block, this.#at, from, to);
    this.#at += length;
    return this.#views.of(length);
  }

  /** Takes back the last copy given, which nobody may look at any more. */
  giveBack(copy: Buffer): void {
    if (copy.buffer === this.#block.buffer && copy.byteOffset + copy.length === this.#at) {
      this.#at = copy.byteOffset;
    }
  }
}
