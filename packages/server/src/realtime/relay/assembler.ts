/**
 * Collects the pieces of one message into one unmasked payload. Pieces are copied into one growing
 * buffer, because a chunk may be a shared read buffer and because a message in a million one-byte
 * fragments must not cost a million objects. Bounded by the caller, who looks at `sizeBytes` first.
 */
import { isUtf8 } from 'node:buffer';
import { type FrameScanner, FrameViolation } from './frame-scanner.ts';
import { applyMask } from './masking.ts';

const FIRST_BYTES = 1024;

export class Assembler {
  sizeBytes = 0;
  #buffer: Buffer = Buffer.alloc(0);

  /** Adds the piece that `scanner` found in `chunk`. */
  add(chunk: Buffer, scanner: FrameScanner): void {
    const from = this.sizeBytes;
    this.addBytes(chunk, scanner.pieceStart, scanner.pieceEnd);
    const piece = this.#buffer.subarray(from, this.sizeBytes);
    applyMask(piece, scanner.mask, scanner.maskPhase);
  }

  /** Adds `[start, end)` of `chunk` as it is. */
  addBytes(chunk: Buffer, start: number, end: number): void {
    const to = this.sizeBytes + end - start;
    if (to > this.#buffer.length) this.#grow(to);
    chunk.copy(this.#buffer, this.sizeBytes, start, end);
    this.sizeBytes = to;
  }

  #grow(sizeBytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, sizeBytes, 2 * this.sizeBytes));
    this.#buffer.copy(larger, 0, 0, this.sizeBytes);
    this.#buffer = larger;
  }

  /** The bytes so far; valid until the next `add`. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.sizeBytes);
  }
}

/** An unmasked copy of the piece that `scanner` found in `chunk`. */
export function unmaskedPiece(chunk: Buffer, scanner: FrameScanner): Buffer {
  const copy = Buffer.from(chunk.subarray(scanner.pieceStart, scanner.pieceEnd));
  applyMask(copy, scanner.mask, scanner.maskPhase);
  return copy;
}

/** The text of a whole message; a payload that is not UTF-8 is a 1007. */
export function decodeText(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new FrameViolation(1007, 'text is not UTF-8');
  return bytes.toString('utf8');
}
