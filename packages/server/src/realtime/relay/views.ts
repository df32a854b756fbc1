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

  /** The first `length` bytes; the same object as the last time, so nobody may keep it. */
  of(length: number): Buffer {
    const known = this.#views.get(length);
    if (known !== undefined) return known;
    if (this.#views.size === VIEWS_MAX) this.#views.clear();
    const view = this.buffer.subarray(this.start, this.start + length);
    this.#views.set(length, view);
    return view;
  }
}
