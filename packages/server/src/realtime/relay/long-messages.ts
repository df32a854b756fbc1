import { FrameViolation } from './frame-scanner.ts';
import type { RelayLimits } from './limits.ts';

const WINDOW_MS = 60_000;
/** Events of a client that carry media besides appends of audio. */
const MEDIA: readonly (string | undefined)[] = ['conversation.item.create', 'response.create'];

/**
 * Bounds what one client sends besides audio: a message may be longer than `maxTextBytes` only
 * where the protocol carries images or recorded audio in it, and all of these together may have
 * `maxLongBytesPerMinute`. No message may have more than `maxBytes`.
 */
export class LongMessages {
  readonly #limits: RelayLimits;
  readonly #maxBytes: number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #bytes = 0;

  constructor(limits: RelayLimits, maxBytes: number) {
    this.#limits = limits;
    this.#maxBytes = maxBytes;
  }

  /**
   * Counts a piece of a message that is `sizeBytes` long so far, this piece included. `typeOf`
   * answers the type of the message. Throws `FrameViolation` (1009, 1008) beyond a bound.
   */
  piece(sizeBytes: number, pieceBytes: number, typeOf: () => string | undefined): void {
    const { maxTextBytes, maxLongBytesPerMinute } = this.#limits;
    if (sizeBytes <= maxTextBytes) return;
    if (sizeBytes > this.#maxBytes) throw new FrameViolation(1009, 'message too long');
    if (!MEDIA.includes(typeOf())) throw new FrameViolation(1009, 'message too long for its type');
    const nowMs = performance.now();
    if (nowMs - this.#sinceMs >= WINDOW_MS) {
      this.#sinceMs = nowMs;
      this.#bytes = 0;
    }
    const isFirst = sizeBytes - pieceBytes <= maxTextBytes;
    this.#bytes += isFirst ? sizeBytes : pieceBytes;
    if (this.#bytes > maxLongBytesPerMinute) {
      throw new FrameViolation(1008, 'too many long messages within a minute');
    }
  }
}
