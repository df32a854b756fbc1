/**
 * What carries one direction: takes the chunks that came from one side and writes to the other.
 * Two implementations: `DirectPump` forwards bytes as they came, `GuardedPump` decides per message.
 *
 * A close frame or a violation ends a direction: bytes after it, in the same chunk or a later one,
 * are neither forwarded nor tapped (RFC 6455 §1.4).
 */
import type { FrameViolation } from './frame-scanner.ts';

/** What a pump reports to the session. */
export interface PumpEvents {
  /** Nothing more may go on from this side for now; asked after each message. */
  held(): boolean;
  /** A whole control frame came; everything before it was forwarded and tapped. */
  control(opcode: number, payload: Buffer): void;
  /** The source broke a rule; what came before was forwarded. */
  violated(violation: FrameViolation): void;
  /** A message other than audio, after its bytes were forwarded. */
  text(text: string): void;
  /** A message of audio, masked as it came; null for one that is too long to be kept whole. */
  audio(payload: Buffer | null, mask: number): void;
  /** A message was not forwarded; `errorEvent` is to be sent back to its sender. */
  refused(errorEvent: string): void;
}

export interface Pump {
  /**
   * `borrowed`: the chunk is only valid during this call. Answers how much of it was used: less
   * than all where the side is held after a message in the middle.
   */
  chunk(chunk: Buffer, borrowed: boolean): number;
}
