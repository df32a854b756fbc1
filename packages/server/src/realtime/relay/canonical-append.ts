/**
 * The one message that may pass a guarded direction without being parsed: an append of audio in
 * exactly one of two spellings (what JavaScript's and Python's JSON writers make), whose value is
 * plain ASCII up to the closing `"}`: no quote, no backslash, no control, nothing that a lenient
 * decoder could turn into one. So there is room for no second key, and nothing to escape.
 * Everything else, however harmless, is assembled and parsed.
 */
import { maskByte, maskedIsPlain } from './masking.ts';

const prefixes = [
  '{"type":"input_audio_buffer.append","audio":"',
  '{"type": "input_audio_buffer.append", "audio": "',
].map(text => Buffer.from(text, 'latin1'));

const QUOTE = 0x22;
const BRACE = 0x7d;

/** Length of the canonical prefix of `[start, end)` of `bytes`, or 0 if it has none. */
function prefixLength(bytes: Buffer, start: number, end: number, mask: number): number {
  for (const prefix of prefixes) {
    if (end - start < prefix.length) continue;
    let i = 0;
    while (i < prefix.length && (bytes[start + i]! ^ maskByte(mask, i)) === prefix[i]) i++;
    if (i === prefix.length) return i;
  }
  return 0;
}

/** Whether `[start, end)`, masked with `mask` from its first byte on, is a canonical append. */
export function isCanonicalAppend(
  bytes: Buffer,
  start: number,
  end: number,
  mask: number,
): boolean {
  const length = prefixLength(bytes, start, end, mask);
  const tail = end - 2;
  if (length === 0 || start + length > tail) return false;
  if ((bytes[tail]! ^ maskByte(mask, tail - start)) !== QUOTE) return false;
  if ((bytes[tail + 1]! ^ maskByte(mask, tail + 1 - start)) !== BRACE) return false;
  return maskedIsPlain(bytes.subarray(start + length, tail), mask, length);
}

/**
 * Checks a canonical append that is too long to be held, piece by piece, unmasked:
 * value → quote (the closing one, if `}` follows) → closed (nothing may follow).
 */
export class AppendStream {
  #state: 'value' | 'quote' | 'closed' = 'value';

  /** The beginning of the message; false if it is not that of a canonical append. */
  start(bytes: Buffer): boolean {
    const length = prefixLength(bytes, 0, bytes.length, 0);
    return length > 0 && this.more(bytes.subarray(length));
  }

  /** The next bytes; false once the value is not plain, or ends with more than a last `"}`. */
  more(bytes: Buffer): boolean {
    let at = 0;
    if (this.#state === 'value') {
      at = bytes.indexOf(QUOTE);
      if (!maskedIsPlain(at < 0 ? bytes : bytes.subarray(0, at), 0)) return false;
      if (at < 0) return true;
      this.#state = 'quote';
      at++;
    }
    if (this.#state === 'quote' && at < bytes.length) {
      if (bytes[at] !== BRACE) return false;
      this.#state = 'closed';
      at++;
    }
    return at === bytes.length;
  }

  /** Whether the message may end here. */
  get complete(): boolean {
    return this.#state === 'closed';
  }
}
