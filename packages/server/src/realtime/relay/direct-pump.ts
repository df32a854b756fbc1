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
  /** Each message that is tapped goes out, and to its tap, before the next is looked at. */
  readonly mayHold?: boolean;
}

export class DirectPump implements Pump {
  readonly #scanner: FrameScanner;
  readonly #outlet: Outlet;
  readonly #tap: MessageTap;
  readonly #counters: DirectionCounters;
  readonly #events: PumpEvents;
  readonly #mayHold: boolean;
  /** Bytes `[from, at)` of the chunk are scanned and not yet forwarded. */
  #from = 0;
  #at = 0;
  #ended = false;

  constructor(options: DirectPumpOptions) {
    this.#scanner = options.scanner;
    this.#outlet = options.outlet;
    this.#tap = options.tap;
    this.#counters = options.counters;
    this.#events = options.events;
    this.#mayHold = options.mayHold ?? false;
  }

  chunk(chunk: Buffer, borrowed: boolean): number {
    if (this.#ended) return chunk.length;
    const scanner = this.#scanner;
    const outlet = this.#outlet;
    this.#from = 0;
    this.#at = 0;
    let violation: FrameViolation | null = null;
    try {
      this.#scan(chunk, borrowed);
    } catch (error) {
      if (!(error instanceof FrameViolation)) throw error;
      violation = error;
    }
    outlet.forward(chunk, this.#from, this.#at, borrowed);
    outlet.mark(scanner.insideFrame, scanner.insideMessage);
    outlet.uncork();
    const used = violation === null && !this.#ended ? this.#at : chunk.length;
    this.#counters.bytes += used;
    this.#counters.frames = scanner.frames;
    violation = this.#deliver() ?? violation;
    if (violation === null) return used;
    this.#ended = true;
    this.#events.violated(violation);
    return used;
  }

  #scan(chunk: Buffer, borrowed: boolean): void {
    const scanner = this.#scanner;
    while (this.#at < chunk.length && !this.#ended) {
      const found = scanner.step(chunk, this.#at);
      if (found === SCAN_DATA) {
        if (this.#data(chunk, borrowed)) return;
      } else {
        this.#split(chunk, this.#from, scanner.frameStart, borrowed);
        this.#at = this.#from = scanner.next;
        if (found === SCAN_CONTROL) this.#control();
      }
    }
  }

  /** Whether the source is held after this piece. */
  #data(chunk: Buffer, borrowed: boolean): boolean {
    const scanner = this.#scanner;
    if (scanner.carried !== null) this.#from = this.#carried();
    this.#tap.piece(chunk, scanner);
    this.#at = scanner.next;
    if (scanner.messageEnd) this.#counters.messages++;
    const isTapped = this.#mayHold && this.#tap.messages.length > 0;
    if (scanner.frameEnd && (this.#outlet.waiting || isTapped)) {
      this.#from = this.#split(chunk, this.#from, scanner.next, borrowed);
    }
    if (!isTapped) return false;
    this.#deliverNow();
    return this.#events.held();
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
    this.#deliverNow();
    this.#ended = this.#scanner.opcode === OPCODE_CLOSE;
    this.#events.control(this.#scanner.opcode, this.#scanner.control);
  }

  #deliverNow(): void {
    const violation = this.#deliver();
    if (violation !== null) throw violation;
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
