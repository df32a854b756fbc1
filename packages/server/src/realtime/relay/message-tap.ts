/**
 * Watches one direction that is forwarded as it comes. Audio is recognised by its first bytes and
 * only counted; other text messages are assembled and kept, unmasked, for the pump to decode after
 * it forwarded the bytes they came in.
 *
 * Per message: idle → deciding (too few bytes yet) → counting (audio) | assembling → skimming (too
 * long to be kept whole) | skipping (binary, or no listener) → idle. A message that lies whole in
 * one chunk, as nearly all do, goes through in one step without copying when it is audio.
 */
import { Assembler, unmaskedPiece } from './assembler.ts';
import { AUDIO, type Classifier, OTHER, typeOf, UNDECIDED } from './classify.ts';
import type { DirectionCounters } from './counters.ts';
import { type FrameScanner, OPCODE_TEXT } from './frame-scanner.ts';
import type { LongMessages } from './long-messages.ts';
import type { PumpEvents } from './pump.ts';
import { Skimmer } from './skimmer.ts';

const DECIDING = 0;
const COUNTING = 1;
const ASSEMBLING = 2;
const SKIMMING = 3;
const SKIPPING = 4;
type Mode =
  | typeof DECIDING
  | typeof COUNTING
  | typeof ASSEMBLING
  | typeof SKIMMING
  | typeof SKIPPING;

export interface MessageTapOptions {
  readonly classifier: Classifier;
  readonly counters: DirectionCounters;
  readonly maxTapBytes: number;
  readonly maxTapStringBytes: number;
  /** Whether there is a listener for the texts; without one nothing is assembled. */
  readonly wantsText: boolean;
  /** Bounds what is no audio, in the direction from the client. */
  readonly longMessages?: LongMessages;
  /** Gets audio too, as in `PumpEvents`. */
  readonly onAudio?: PumpEvents['audio'];
}

export class MessageTap {
  /** Payloads of whole text messages, for the pump to take. */
  readonly messages: Buffer[] = [];
  readonly #options: MessageTapOptions;
  #mode: Mode = DECIDING;
  #audioBytes = 0;
  #sizeBytes = 0;
  /** Of a message that is no audio. */
  #type: string | undefined;
  #assembler: Assembler | null = null;
  #skimmer: Skimmer | null = null;

  constructor(options: MessageTapOptions) {
    this.#options = options;
  }

  /** Takes the data piece that `scanner` just found in `chunk`. */
  piece(chunk: Buffer, scanner: FrameScanner): void {
    const pieceBytes = scanner.pieceEnd - scanner.pieceStart;
    this.#sizeBytes = scanner.messageStart ? pieceBytes : this.#sizeBytes + pieceBytes;
    if (scanner.messageStart) this.#begin(chunk, scanner);
    else if (this.#mode === COUNTING) this.#moreAudio(chunk, scanner);
    else if (this.#mode !== SKIPPING) this.#more(chunk, scanner);
    if (this.#mode !== COUNTING) {
      this.#options.longMessages?.piece(this.#sizeBytes, pieceBytes, () => this.#type);
    }
    if (scanner.messageEnd) this.#end(scanner);
  }

  #begin(chunk: Buffer, scanner: FrameScanner): void {
    const { pieceStart, pieceEnd } = scanner;
    const kind =
      scanner.opcode === OPCODE_TEXT
        ? this.#options.classifier.classify(chunk, pieceStart, pieceEnd, scanner.mask)
        : OTHER;
    if (kind === AUDIO) {
      this.#mode = COUNTING;
      this.#audioBytes = pieceEnd - pieceStart;
      if (!scanner.messageEnd) this.#keepAudio(chunk, scanner);
      else this.#options.onAudio?.(chunk.subarray(pieceStart, pieceEnd), scanner.mask);
    } else if (kind === OTHER && (scanner.opcode !== OPCODE_TEXT || !this.#options.wantsText)) {
      this.#mode = SKIPPING;
      this.#type = typeOf(chunk, pieceStart, scanner.mask);
      if (scanner.opcode !== OPCODE_TEXT) this.#options.counters.untappedMessages++;
    } else if (scanner.messageEnd) this.#whole(unmaskedPiece(chunk, scanner));
    else {
      this.#mode = kind === UNDECIDED ? DECIDING : ASSEMBLING;
      this.#type = typeOf(chunk, pieceStart, scanner.mask);
      this.#assemble(chunk, scanner);
    }
  }

  /** A message other than audio that lies whole in one chunk. */
  #whole(bytes: Buffer): void {
    this.#mode = SKIPPING;
    if (!this.#options.wantsText) return;
    if (bytes.length <= this.#options.maxTapBytes) {
      this.messages.push(bytes);
      return;
    }
    this.#skimmer = new Skimmer(this.#options);
    this.#skimmer.add(bytes);
    this.#skimmed();
  }

  /** The end of a message that was too long to be kept whole. */
  #skimmed(): void {
    const left = this.#skimmer!.end();
    this.#skimmer = null;
    if (left === undefined) this.#options.counters.untappedMessages++;
    else {
      this.#options.counters.skimmedMessages++;
      this.messages.push(left);
    }
  }

  #more(chunk: Buffer, scanner: FrameScanner): void {
    if (this.#skimmer !== null) {
      this.#skimmer.add(unmaskedPiece(chunk, scanner));
      return;
    }
    this.#assemble(chunk, scanner);
    if (this.#mode !== DECIDING) return;
    const bytes = this.#assembler!.bytes();
    const kind = this.#options.classifier.classify(bytes, 0, bytes.length, 0);
    if (kind === AUDIO) {
      this.#mode = COUNTING;
      this.#audioBytes = bytes.length;
      if (this.#options.onAudio === undefined) this.#assembler = null;
    } else if (kind === OTHER) {
      this.#mode = ASSEMBLING;
      this.#type = typeOf(bytes, 0, 0);
    }
  }

  #moreAudio(chunk: Buffer, scanner: FrameScanner): void {
    this.#audioBytes += scanner.pieceEnd - scanner.pieceStart;
    if (this.#assembler !== null) this.#keepAudio(chunk, scanner);
  }

  /** Of a message of audio in several pieces, where somebody wants it. */
  #keepAudio(chunk: Buffer, scanner: FrameScanner): void {
    if (this.#options.onAudio === undefined) return;
    this.#assembler ??= new Assembler();
    if (this.#audioBytes <= this.#options.maxTapBytes) this.#assembler.add(chunk, scanner);
    else this.#assembler = null;
  }

  #assemble(chunk: Buffer, scanner: FrameScanner): void {
    this.#assembler ??= new Assembler();
    const size = this.#assembler.sizeBytes + scanner.pieceEnd - scanner.pieceStart;
    if (size <= this.#options.maxTapBytes) {
      this.#assembler.add(chunk, scanner);
      return;
    }
    this.#skimmer = new Skimmer(this.#options);
    this.#skimmer.add(this.#assembler.bytes());
    this.#skimmer.add(unmaskedPiece(chunk, scanner));
    this.#assembler = null;
    this.#mode = SKIMMING;
  }

  #end(scanner: FrameScanner): void {
    if (this.#mode === COUNTING) {
      this.#options.counters.audioMessages++;
      this.#options.counters.audioBytes += this.#audioBytes;
      if (!scanner.messageStart) this.#options.onAudio?.(this.#assembler?.bytes() ?? null, 0);
    } else if (this.#mode === SKIMMING) this.#skimmed();
    else if (this.#mode !== SKIPPING) this.#whole(this.#assembler!.bytes());
    this.#mode = DECIDING;
    this.#assembler = null;
  }
}
