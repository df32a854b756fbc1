/**
 * Shortens the long strings of a JSON message while it comes, so that what is left of a message too
 * long for the taps can still be read: every field stands, and only long texts are cut. It keeps no
 * more than `maxBytes`, in one buffer of its own that grows: a message that never ends must not pin
 * the chunks it came in. It does not check the JSON: whoever parses what is left does.
 *
 * Within a string, a byte is kept until `maxStringBytes` are, and on from there to the end of a
 * character or an escape; the rest is left out up to the closing quote.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const UNICODE_ESCAPE = 0x75;
const UNICODE_DIGITS = 4;
const FIRST_BYTES = 1024;

export class Skimmer {
  readonly #maxBytes: number;
  readonly #maxStringBytes: number;
  #kept: Buffer = Buffer.alloc(0);
  #keptBytes = 0;
  #inString = false;
  /** Bytes of the string so far. */
  #stringBytes = 0;
  /** The string's limit is reached. */
  #cutting = false;
  /** Bytes that still belong to an escape; -1: the one after a backslash. */
  #escape = 0;
  /** More than `maxBytes` would have to be kept. */
  #tooLong = false;

  constructor(limits: { readonly maxTapBytes: number; readonly maxTapStringBytes: number }) {
    this.#maxBytes = limits.maxTapBytes;
    this.#maxStringBytes = limits.maxTapStringBytes;
  }

  /** More of the message, unmasked. */
  add(bytes: Buffer): void {
    if (this.#tooLong) return;
    for (const byte of bytes) {
      if (!this.#keeps(byte)) continue;
      if (this.#keptBytes === this.#kept.length && !this.#grow()) return;
      this.#kept[this.#keptBytes++] = byte;
    }
  }

  /** What is left of the message; undefined where that is too long as well. */
  end(): Buffer | undefined {
    return this.#tooLong ? undefined : this.#kept.subarray(0, this.#keptBytes);
  }

  /** False, and nothing is kept any more, at `maxBytes`. */
  #grow(): boolean {
    this.#tooLong = this.#keptBytes >= this.#maxBytes;
    const wanted = Math.min(this.#maxBytes, Math.max(FIRST_BYTES, 2 * this.#keptBytes));
    const larger = Buffer.allocUnsafeSlow(this.#tooLong ? 0 : wanted);
    this.#kept.copy(larger);
    this.#kept = larger;
    return !this.#tooLong;
  }

  #keeps(byte: number): boolean {
    if (!this.#inString) {
      if (byte === QUOTE) {
        this.#inString = true;
        this.#cutting = false;
        this.#stringBytes = 0;
      }
      return true;
    }
    const continues = this.#escape !== 0 || (byte & 0xc0) === 0x80;
    if (!continues && byte === QUOTE) {
      this.#inString = false;
      return true;
    }
    this.#cutting ||= !continues && this.#stringBytes >= this.#maxStringBytes;
    this.#stringBytes++;
    if (this.#escape > 0) this.#escape--;
    else if (this.#escape < 0) this.#escape = byte === UNICODE_ESCAPE ? UNICODE_DIGITS : 0;
    else if (byte === BACKSLASH) this.#escape = -1;
    return !this.#cutting;
  }
}
