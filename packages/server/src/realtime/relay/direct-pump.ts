/**
 * The hot path: forwards one direction as it comes. A chunk usually holds nothing but data frames
 * and leaves in one write, as the very buffer it came in. It is split only around control frames
 * (which are answered, not forwarded), around an incomplete header at its end, and where own frames
 * wait for a boundary.
 *
 * Order within one chunk: forward, then taps. A control frame or a violation in the middle first
 * lets everything before it out.
 */
import { decodeText } from './assembler.ts';
import type { DirectionCounters } from './counters.ts';
import {
  type FrameScanner,
  FrameViolation,
  OPCODE_CLOSE,
  SCAN_CONTROL,
  SCAN_DATA,
} from './frame-scanner.ts';
import type { MessageTap } from './message-tap.ts';
import type { Outlet } from './outlet.ts';
import type { Pump, PumpEvents } from './pump.ts';

export interface DirectPumpOptions {
  readonly scanner: FrameScanner;
  readonly outlet: Outlet;
  readonly tap: MessageTap;
  readonly counters: DirectionCounters;
  readonly events: PumpEvents;
}

export class DirectPump implements Pump {
  readonly #scanner: FrameScanner;
  readonly #outlet: Outlet;
  readonly #tap: MessageTap;
  readonly #counters: DirectionCounters;
  readonly #events: PumpEvents;
  #ended = false;

  constructor(options: DirectPumpOptions) {
    this.#scanner = options.scanner;
    this.#outlet = options.outlet;
    this.#tap = options.tap;
    this.#counters = options.counters;
    this.#events = options.events;
  }

  chunk(chunk: Buffer, borrowed: boolean): void {
    if (this.#ended) return;
    const scanner = this.#scanner;
    const outlet = this.#outlet;
    // Bytes [from, at) of the chunk are scanned and not yet forwarded.
    let from = 0;
    let at = 0;
    let violation: FrameViolation | null = null;
    try {
      while (at < chunk.length && !this.#ended) {
        const found = scanner.step(chunk, at);
        if (found === SCAN_DATA) {
          if (scanner.carried !== null) from = this.#carried();
          this.#tap.piece(chunk, scanner);
          if (scanner.messageEnd) this.#counters.messages++;
          if (scanner.frameEnd && outlet.waiting) {
            from = this.#split(chunk, from, scanner.next, borrowed);
          }
        } else {
          this.#split(chunk, from, scanner.frameStart, borrowed);
          at = from = scanner.next;
          if (found === SCAN_CONTROL) this.#control();
        }
        at = scanner.next;
      }
    } catch (error) {
      if (!(error instanceof FrameViolation)) throw error;
      violation = error;
    }
    outlet.forward(chunk, from, at, borrowed);
    outlet.mark(scanner.insideFrame, scanner.insideMessage);
    outlet.uncork();
    this.#counters.bytes += chunk.length;
    this.#counters.frames = scanner.frames;
    violation = this.#deliver() ?? violation;
    if (violation === null) return;
    this.#ended = true;
    this.#events.violated(violation);
  }

  /** Forwards `[from, to)`, a boundary, and lets own frames in. Answers where to go on from. */
  #split(chunk: Buffer, from: number, to: number, borrowed: boolean): number {
    this.#outlet.cork();
    this.#outlet.forward(chunk, from, to, borrowed);
    this.#outlet.mark(false, this.#scanner.insideMessage);
    return to;
  }

  /** Forwards a header that began in an earlier chunk. */
  #carried(): number {
    this.#outlet.cork();
    this.#outlet.write(this.#scanner.carried!);
    return this.#scanner.frameStart;
  }

  #control(): void {
    this.#counters.controlFrames++;
    const violation = this.#deliver();
    if (violation !== null) throw violation;
    this.#ended = this.#scanner.opcode === OPCODE_CLOSE;
    this.#events.control(this.#scanner.opcode, this.#scanner.control);
  }

  /** Hands out what the tap has; answers what was wrong with it. */
  #deliver(): FrameViolation | null {
    if (this.#tap.messages.length === 0) return null;
    try {
      for (const message of this.#tap.messages.splice(0)) this.#events.text(decodeText(message));
      return null;
    } catch (error) {
      if (error instanceof FrameViolation) return error;
      throw error;
    }
  }
}
