/**
 * Copies bytes that are to be written out of a read buffer that will be overwritten.
 *
 * The kernel takes nearly every write at once; then the place is given back and used again, so that
 * forwarding a frame costs one memory copy and no garbage. A place whose write is still waiting
 * stays taken, and its block is left to the garbage collector once full. One slab serves all
 * sessions of a process: copying, writing and giving back happen in one go.
 */
import { slabBlockBytes } from './limits.ts';

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

  /** Takes back the last copy given. No code may read it afterwards. */
  giveBack(copy: Buffer): void {
    if (copy.buffer === this.#block.buffer && copy.byteOffset + copy.length === this.#at) {
      this.#at = copy.byteOffset;
    }
  }
}

/**
 * Views of one buffer from a fixed place, by length. Frames of audio come in few lengths, and a
 * view costs more to make than the bytes of a small frame cost to copy. Bounded: with too many
 * lengths all views are forgotten.
 */
const VIEWS_MAX = 256;

export class Views {
  readonly buffer: Buffer;
  readonly start: number;
  readonly #views = new Map<number, Buffer>();

  constructor(buffer: Buffer, start = 0) {
    this.buffer = buffer;
    this.start = start;
  }

  /** The first `length` bytes; the same object as the last time, so callers must not keep it. */
  of(length: number): Buffer {
    const known = this.#views.get(length);
    if (known !== undefined) return known;
    if (this.#views.size === VIEWS_MAX) this.#views.clear();
    const view = this.buffer.subarray(this.start, this.start + length);
    this.#views.set(length, view);
    return view;
  }
}
