/**
 * Carries one direction message by message: text messages are held, decoded, given to the guard,
 * and what it answers is sent on as new frames, in order. Used where parts of the configuration are
 * locked, or where the protocol is translated.
 *
 * Passing unparsed, if `passAppends`: a canonical append of audio (`canonical-append.ts`). One that
 * lies whole in a chunk leaves as it came; a longer one is held until it is whole, or, beyond
 * `streamAppendBytes`, sent on in checked fragments. If such a stream turns out not to be canonical
 * after all, the connection is closed with 1008: its message was never completed upstream.
 * Binary messages pass as they come, or, if `rejectBinary`, close the connection with 1003.
 */
import { Assembler, decodeText, unmaskedPiece } from './assembler.ts';
import { AppendStream, isCanonicalAppend } from './canonical-append.ts';
import { AUDIO, type Classifier, typeOf } from './classify.ts';
import type { DirectionCounters } from './counters.ts';
import { encodeFragment, encodeFrame, encodeText } from './frame-encoder.ts';
import {
  type FrameScanner,
  FrameViolation,
  OPCODE_CLOSE,
  OPCODE_CONTINUATION,
  OPCODE_TEXT,
  SCAN_CONTROL,
  SCAN_DATA,
} from './frame-scanner.ts';
import type { LongMessages } from './long-messages.ts';
import type { GuardVerdict, MessageGuard } from './message-guard.ts';
import type { Outlet } from './outlet.ts';
import type { Pump, PumpEvents } from './pump.ts';

export interface GuardedPumpOptions {
  readonly scanner: FrameScanner;
  readonly outlet: Outlet;
  /** Frames made here are masked: true towards an upstream. */
  readonly masked: boolean;
  readonly counters: DirectionCounters;
  readonly events: PumpEvents;
  readonly guard: MessageGuard;
  readonly classifier: Classifier;
  readonly passAppends: boolean;
  readonly rejectBinary: boolean;
  readonly streamAppendBytes: number;
  /** Bounds what is no audio, in the direction from the client. */
  readonly longMessages?: LongMessages;
}

export class GuardedPump implements Pump {
  readonly #o: GuardedPumpOptions;
  #held: Assembler | null = null;
  #stream: AppendStream | null = null;
  #triedStream = false;
  #streamedBytes = 0;
  #ended = false;
  /** Of the connections before this one. */
  readonly #framesBefore: number;

  constructor(options: GuardedPumpOptions) {
    this.#o = options;
    this.#framesBefore = options.counters.frames;
  }

  chunk(chunk: Buffer, borrowed: boolean): number {
    if (this.#ended) return chunk.length;
    let used = chunk.length;
    this.#o.outlet.cork();
    let violation: FrameViolation | null = null;
    try {
      used = this.#scan(chunk, borrowed);
    } catch (error) {
      if (!(error instanceof FrameViolation)) throw error;
      violation = error;
    }
    this.#o.outlet.uncork();
    this.#o.counters.bytes += used;
    this.#o.counters.frames = this.#framesBefore + this.#o.scanner.frames;
    if (violation === null) return used;
    this.#ended = true;
    this.#o.events.violated(violation);
    return used;
  }

  /** How much of the chunk was used. */
  #scan(chunk: Buffer, borrowed: boolean): number {
    const { scanner, events, counters } = this.#o;
    for (let at = 0; at < chunk.length && !this.#ended; at = scanner.next) {
      const found = scanner.step(chunk, at);
      if (found === SCAN_CONTROL) {
        counters.controlFrames++;
        this.#ended = scanner.opcode === OPCODE_CLOSE;
        events.control(scanner.opcode, scanner.control);
      } else if (found === SCAN_DATA) {
        if (scanner.opcode === OPCODE_TEXT) this.#text(chunk, borrowed);
        else this.#binary(chunk, borrowed);
        if (scanner.messageEnd) counters.messages++;
        if (scanner.messageEnd && events.held()) return scanner.next;
      }
    }
    return chunk.length;
  }

  #binary(chunk: Buffer, borrowed: boolean): void {
    const { scanner, counters, rejectBinary } = this.#o;
    if (rejectBinary) throw new FrameViolation(1003, 'binary messages are not taken here');
    this.#asItCame(chunk, borrowed);
    if (scanner.messageEnd) counters.untappedMessages++;
  }

  #asItCame(chunk: Buffer, borrowed: boolean): void {
    const { scanner, outlet } = this.#o;
    if (scanner.carried !== null) outlet.write(scanner.carried);
    outlet.forward(chunk, scanner.frameStart, scanner.pieceEnd, borrowed);
    outlet.mark(scanner.insideFrame, scanner.insideMessage);
  }

  #text(chunk: Buffer, borrowed: boolean): void {
    const { scanner, passAppends } = this.#o;
    const { pieceStart, pieceEnd } = scanner;
    if (scanner.messageStart && scanner.messageEnd) {
      if (passAppends && isCanonicalAppend(chunk, pieceStart, pieceEnd, scanner.mask)) {
        this.#countAudio(pieceEnd - pieceStart);
        this.#o.events.audio(chunk.subarray(pieceStart, pieceEnd), scanner.mask);
        this.#asItCame(chunk, borrowed);
      } else {
        const bytes = unmaskedPiece(chunk, scanner);
        this.#checkLength(bytes);
        this.#decide(bytes);
      }
    } else if (this.#stream !== null) this.#streamMore(unmaskedPiece(chunk, scanner));
    else this.#hold(chunk);
  }

  #hold(chunk: Buffer): void {
    const { scanner, masked, outlet, passAppends, streamAppendBytes, events } = this.#o;
    this.#held ??= new Assembler();
    this.#held.add(chunk, scanner);
    const bytes = this.#held.bytes();
    this.#checkLength(bytes);
    if (scanner.messageEnd) {
      this.#dropHeld();
      if (passAppends && isCanonicalAppend(bytes, 0, bytes.length, 0)) {
        this.#countAudio(bytes.length);
        events.audio(bytes, 0);
        outlet.write(encodeFrame(OPCODE_TEXT, bytes, masked));
        outlet.mark(false, false);
      } else this.#decide(bytes);
    } else if (passAppends && !this.#triedStream && bytes.length > streamAppendBytes) {
      this.#tryStream(bytes);
    }
  }

  #checkLength(bytes: Buffer): void {
    const { scanner, classifier, longMessages } = this.#o;
    if (longMessages === undefined || classifier.classify(bytes, 0, bytes.length, 0) === AUDIO) {
      return;
    }
    const pieceBytes = scanner.pieceEnd - scanner.pieceStart;
    longMessages.piece(bytes.length, pieceBytes, () => typeOf(bytes, 0, 0));
  }

  /** A held message grew long: if it is an append so far, what is held goes out as a fragment. */
  #tryStream(bytes: Buffer): void {
    const { masked, outlet } = this.#o;
    const stream = new AppendStream();
    this.#triedStream = true;
    if (!stream.start(bytes)) return;
    this.#dropHeld();
    this.#stream = stream;
    this.#streamedBytes = bytes.length;
    outlet.write(encodeFragment(OPCODE_TEXT, bytes, masked));
    outlet.mark(false, true);
  }

  #streamMore(bytes: Buffer): void {
    const { scanner, masked, outlet } = this.#o;
    const canonical = this.#stream!.more(bytes) && (!scanner.messageEnd || this.#stream!.complete);
    if (!canonical) throw new FrameViolation(1008, 'append is not in its canonical form');
    this.#streamedBytes += bytes.length;
    const encode = scanner.messageEnd ? encodeFrame : encodeFragment;
    outlet.write(encode(OPCODE_CONTINUATION, bytes, masked));
    outlet.mark(false, !scanner.messageEnd);
    if (!scanner.messageEnd) return;
    this.#countAudio(this.#streamedBytes);
    this.#o.events.audio(null, 0);
    this.#stream = null;
  }

  #dropHeld(): void {
    this.#held = null;
    this.#triedStream = false;
  }

  #decide(bytes: Buffer): void {
    const { guard, outlet, masked, counters, events, classifier } = this.#o;
    const verdict = judged(guard, decodeText(bytes));
    for (const text of verdict.forward) outlet.write(encodeText(text, masked));
    outlet.mark(false, false);
    for (const text of verdict.tap) {
      if (classifier.classifyText(text) === AUDIO) {
        this.#countAudio(text.length);
        events.audio(Buffer.from(text), 0);
      } else events.text(text);
    }
    for (const refusal of verdict.refusals) {
      counters.refusedMessages++;
      events.refused(refusal);
    }
  }

  #countAudio(sizeBytes: number): void {
    this.#o.counters.audioMessages++;
    this.#o.counters.audioBytes += sizeBytes;
  }
}

/** A guard that throws must not let a message pass, nor take the process with it. */
function judged(guard: MessageGuard, text: string): GuardVerdict {
  try {
    return guard(text);
  } catch (error) {
    throw new FrameViolation(1011, 'message could not be judged', { cause: error });
  }
}
