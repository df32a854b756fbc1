/**
 * Shortens the long strings of a JSON message while it comes, so that what is left of a message too
 * long for the taps can still be read: every field stands, and only long texts are cut. It keeps no
 * more than `maxBytes`. It does not check the JSON: whoever parses what is left does.
 *
 * Within a string, a byte is kept until `maxStringBytes` are, and on from there to the end of a
 * character or an escape; the rest is left out up to the closing quote.
 */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const UNICODE_ESCAPE = 0x75;
const UNICODE_DIGITS = 4;

export class Skimmer {
  readonly #maxBytes: number;
  readonly #maxStringBytes: number;
  #parts: Buffer[] = [];
  #sizeBytes = 0;
  #inString = false;
  /** Bytes of the string so far. */
  #stringBytes = 0;
  /** The string's limit is reached. */
  #cutting = false;
  /** Bytes that still belong to an escape; -1: the one after a backslash. */
  #escape = 0;

  constructor(limits: { readonly maxTapBytes: number; readonly maxTapStringBytes: number }) {
    this.#maxBytes = limits.maxTapBytes;
    this.#maxStringBytes = limits.maxTapStringBytes;
  }

  /** More of the message, unmasked. */
  add(bytes: Buffer): void {
    if (this.#sizeBytes > this.#maxBytes) return;
    const kept = Buffer.allocUnsafe(bytes.length);
    let length = 0;
    for (const byte of bytes) {
      if (this.#keeps(byte)) kept[length++] = byte;
    }
    this.#sizeBytes += length;
    if (this.#sizeBytes > this.#maxBytes) this.#parts = [];
    else this.#parts.push(kept.subarray(0, length));
  }

  /** What is left of the message; undefined where that is too long as well. */
  end(): Buffer | undefined {
    return this.#sizeBytes > this.#maxBytes ? undefined : Buffer.concat(this.#parts);
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
