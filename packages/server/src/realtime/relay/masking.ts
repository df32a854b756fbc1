/**
 * The masking of client frames (RFC 6455 §5.3), four bytes at a time where memory is aligned.
 * A mask is a 32-bit number whose lowest byte belongs to the first payload byte; 0 masks nothing.
 */

const LOW_BITS = 0x01010101;
const SPACES = 0x20202020;
const QUOTES = 0x22222222;
const BACKSLASHES = 0x5c5c5c5c;
const HIGH_BITS = 0x80808080;

/** The mask as seen by a piece that begins `phase` bytes into the payload. */
function rotated(mask: number, phase: number): number {
  const bits = (phase & 3) << 3;
  return bits === 0 ? mask : (mask >>> bits) | (mask << (32 - bits));
}

/** The byte of `mask` that belongs to the payload byte at `offset`. */
export function maskByte(mask: number, offset: number): number {
  return (mask >>> ((offset & 3) << 3)) & 0xff;
}

/** How many bytes of `bytes` stand before the first whole aligned word; all of them if short. */
function unalignedBytes(bytes: Buffer): number {
  return bytes.length < 8 ? bytes.length : (4 - (bytes.byteOffset & 3)) & 3;
}

function alignedWords(bytes: Buffer, from: number): Int32Array {
  const offset = from === bytes.length ? 0 : bytes.byteOffset + from;
  return new Int32Array(bytes.buffer, offset, (bytes.length - from) >>> 2);
}

/** Masks or unmasks `bytes` in place; `phase` is the offset of its first byte in the payload. */
export function applyMask(bytes: Buffer, mask: number, phase = 0): void {
  const key = rotated(mask, phase);
  if (key === 0) return;
  const head = unalignedBytes(bytes);
  for (let i = 0; i < head; i++) bytes[i]! ^= maskByte(key, i);
  const words = alignedWords(bytes, head);
  const wordKey = rotated(key, head);
  for (let i = 0; i < words.length; i++) words[i]! ^= wordKey;
  for (let i = head + words.length * 4; i < bytes.length; i++) bytes[i]! ^= maskByte(key, i);
}

/**
 * Whether masked `bytes` stand for themselves inside a JSON string, whoever reads it: ASCII without
 * controls, quotes and backslashes. `phase` as for `applyMask`. Changes nothing.
 */
export function maskedIsPlain(bytes: Buffer, mask: number, phase = 0): boolean {
  const key = rotated(mask, phase);
  const head = unalignedBytes(bytes);
  for (let i = 0; i < head; i++) if (!isPlain(bytes[i]! ^ maskByte(key, i))) return false;
  const words = alignedWords(bytes, head);
  const wordKey = rotated(key, head);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]! ^ wordKey;
    const quote = word ^ QUOTES;
    const backslash = word ^ BACKSLASHES;
    // Each term has a byte's high bit where the byte is a quote, a backslash, below a space, or
    // beyond ASCII: the usual tests for a zero byte and for a smaller one.
    const odd =
      ((quote - LOW_BITS) & ~quote) |
      ((backslash - LOW_BITS) & ~backslash) |
      ((word - SPACES) & ~word) |
      word;
    if ((odd & HIGH_BITS) !== 0) return false;
  }
  for (let i = head + words.length * 4; i < bytes.length; i++) {
    if (!isPlain(bytes[i]! ^ maskByte(key, i))) return false;
  }
  return true;
}

function isPlain(byte: number): boolean {
  return byte >= 0x20 && byte < 0x80 && byte !== 0x22 && byte !== 0x5c;
}
