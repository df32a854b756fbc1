/**
 * The hot path: forwards one direction as it comes. A chunk usually holds nothing but whole
 * messages and leaves in one write, as the very buffer it came in. It is split only around control
 * frames (which are answered, not forwarded), around an incomplete message at its end, and where
 * own frames wait for a boundary.
 *
 * A message leaves whole, so that either side can be replaced without the other being left inside
 * of one: the beginning of one waits for its end. One longer than `wholeMessageBytes` leaves as it
 * comes.
 *
 * Order within one chunk: forward, then taps. A control frame or a violation in the middle first
 * lets everything before it out.
 */
import { Assembler, decodeText } from './assembler.ts';
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
  readonly wholeMessageBytes: number;
  /** Each message that is tapped goes out, and to its tap, before the next is looked at. */
  readonly mayHold?: boolean;
}

export class DirectPump implements Pump {
  readonly #scanner: FrameScanner;
  readonly #outlet: Outlet;
  readonly #tap: MessageTap;
  readonly #counters: DirectionCounters;
  readonly #events: PumpEvents;
  readonly #wholeMessageBytes: number;
  readonly #mayHold: boolean;
  /** Bytes `[from, at)` of the chunk are scanned and not yet forwarded; messages end at `whole`. */
  #from = 0;
  #whole = 0;
  #at = 0;
  /** The beginning of a message that came in earlier chunks. */
  #begun: Assembler | null = null;
  /** The message is too long to wait for its end. */
  #isStreaming = false;
  #ended = false;
  /** Of the connections before this one. */
  readonly #framesBefore: number;

  constructor(options: DirectPumpOptions) {
    this.#scanner = options.scanner;
    this.#outlet = options.outlet;
    this.#tap = options.tap;
    this.#counters = options.counters;
    this.#events = options.events;
    this.#framesBefore = options.counters.frames;
    this.#wholeMessageBytes = options.wholeMessageBytes;
    this.#mayHold = options.mayHold ?? false;
  }

  chunk(chunk: Buffer, borrowed: boolean): number {
    if (this.#ended) return chunk.length;
    const scanner = this.#scanner;
    const outlet = this.#outlet;
    this.#from = 0;
    this.#whole = 0;
    this.#at = 0;
    let violation: FrameViolation | null = null;
    try {
      this.#scan(chunk, borrowed);
    } catch (error) {
      if (!(error instanceof FrameViolation)) throw error;
      violation = error;
    }
    this.#forward(chunk, this.#at, borrowed);
    outlet.uncork();
    const used = violation === null && !this.#ended ? this.#at : chunk.length;
    this.#counters.bytes += used;
    this.#counters.frames = this.#framesBefore + scanner.frames;
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
        this.#outlet.cork();
        this.#forward(chunk, scanner.frameStart, borrowed);
        this.#at = this.#from = this.#whole = scanner.next;
        if (found === SCAN_CONTROL) this.#control();
      }
    }
  }

  /** Whether the source is held after this piece. */
  #data(chunk: Buffer, borrowed: boolean): boolean {
    const scanner = this.#scanner;
    if (scanner.carried !== null) this.#carry(scanner.carried);
    this.#tap.piece(chunk, scanner);
    this.#at = scanner.next;
    if (scanner.messageEnd) {
      this.#whole = scanner.next;
      this.#counters.messages++;
      // Its end may be a header alone, which began in an earlier chunk.
      if (this.#whole === this.#from) {
        this.#release();
        this.#isStreaming = false;
      }
    }
    const isTapped = this.#mayHold && this.#tap.messages.length > 0;
    if (scanner.frameEnd && (this.#outlet.waiting || isTapped)) {
      this.#outlet.cork();
      this.#forward(chunk, scanner.next, borrowed);
    }
    if (!isTapped) return false;
    this.#deliverNow();
    return this.#events.held();
  }

  /** Takes a header that began in an earlier chunk. */
  #carry(header: Buffer): void {
    if (this.#isStreaming) this.#outlet.write(header);
    else this.#begin(header, 0, header.length);
    this.#from = this.#scanner.frameStart;
  }

  #begin(chunk: Buffer, from: number, to: number): void {
    this.#begun ??= new Assembler();
    this.#begun.addBytes(chunk, from, to);
  }

  /** Forwards the messages that end before `to`, and keeps the beginning of the next. */
  #forward(chunk: Buffer, to: number, borrowed: boolean): void {
    const outlet = this.#outlet;
    if (this.#whole > this.#from) {
      this.#release();
      outlet.forward(chunk, this.#from, this.#whole, borrowed);
      this.#from = this.#whole;
      this.#isStreaming = false;
    }
    if (to > this.#from) {
      if (this.#isStreaming) outlet.forward(chunk, this.#from, to, borrowed);
      else this.#begin(chunk, this.#from, to);
      this.#from = to;
    }
    if (this.#begun !== null && this.#begun.sizeBytes > this.#wholeMessageBytes) {
      this.#release();
      this.#isStreaming = true;
    }
    const { insideFrame, insideMessage } = this.#scanner;
    if (this.#isStreaming) outlet.mark(insideFrame, insideMessage);
    else outlet.mark(false, false);
  }

  #release(): void {
    if (this.#begun === null) return;
    this.#outlet.cork();
    this.#outlet.write(this.#begun.bytes());
    this.#begun = null;
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
