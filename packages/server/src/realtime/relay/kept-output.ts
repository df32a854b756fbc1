/**
 * What a client has been sent and has not acknowledged: whole messages as frames, so that another
 * connection of the same client goes on with the next one. A client acknowledges by its pongs,
 * which bring back how many bytes had been sent (`offset`) when they were asked for, or by telling
 * how many messages it has received when it comes back.
 *
 *     forgotten ──▶ base ──── kept ────▶ end
 *
 * Bounded: beyond `limitBytes` the oldest messages are forgotten, and where the process has no
 * block left, all of them. Numbers go on, so that a gap is told. Blocks are a session's own: what
 * is acknowledged gives them back, and a session that is silent has none.
 */
import type { BlockPool } from './block-pool.ts';
import { OPCODE_TEXT } from './frame-scanner.ts';
import { keptBlockBytes } from './limits.ts';

/** Where a client goes on. */
export interface Continuation {
  /** Number of the last message before those that follow; messages count from 1. */
  readonly after: number;
  /** How many messages before that are not known any more. */
  readonly lost: number;
}

/** `frames`: those of the newest messages, the oldest first. */
export interface KeptRecord {
  readonly messages: number;
  readonly acknowledged: number;
  readonly frames: readonly Buffer[];
}

export class KeptOutput {
  /** Bytes and whole messages sent so far. */
  end = 0;
  messages = 0;
  readonly #pool: BlockPool;
  readonly #limitBytes: number;
  /** From the one with `#base` on. */
  #blocks: Buffer[] = [];
  /** Of the first block's first byte. */
  #blockStart = 0;
  /** Begin of the oldest message that is kept. */
  #base = 0;
  /** Ends of the messages that are kept, from `#first` on. */
  #ends: number[] = [];
  #first = 0;
  /** Number of the newest message that is acknowledged. */
  #acknowledged = 0;
  /** Nothing is kept until the message under way has ended. */
  #isSkipping = false;
  readonly #header = new Uint8Array(10);
  #headerBytes = 0;
  #payloadLeft = 0;
  /** A fragment has ended that more will follow. */
  #isInMessage = false;

  constructor(pool: BlockPool, limitBytes: number) {
    this.#pool = pool;
    this.#limitBytes = limitBytes;
  }

  /** As before in another process: the frames are those of the newest messages. */
  restore({ messages, acknowledged, frames }: KeptRecord): void {
    this.messages = messages - frames.length;
    this.#acknowledged = acknowledged;
    for (const frame of frames) this.push(frame, 0, frame.length);
  }

  /** What another process needs to know; of a message under way nothing. */
  record(): KeptRecord {
    this.cut();
    const { messages } = this;
    const frames = [...this.from(this.#oldest)];
    return { messages, acknowledged: this.#acknowledged, frames };
  }

  get keptBytes(): number {
    return this.#isSkipping ? 0 : this.end - this.#base;
  }

  /** Whether something has been sent that is not acknowledged. */
  get isOwed(): boolean {
    return this.#acknowledged < this.messages;
  }

  /** Whether a client may go on now: not inside of a message whose beginning is not known. */
  get isContinuable(): boolean {
    return !this.#isSkipping || this.#isBetween;
  }

  /** Bytes `[from, to)` of frames without a mask; they may begin and end anywhere. */
  push(bytes: Buffer, from: number, to: number): void {
    if (this.#isSkipping && this.#isBetween) this.#startHere();
    if (!this.#isSkipping) this.#copy(bytes, from, to);
    this.#walk(bytes, from, to);
    while (this.keptBytes > this.#limitBytes) this.#forgetOldest();
  }

  /** The client has everything up to there. */
  acknowledge(offset: number): void {
    if (this.#isSkipping || !(offset >= this.#base && offset <= this.end)) return;
    while (this.#first < this.#ends.length && this.#ends[this.#first]! <= offset) {
      this.#base = this.#ends[this.#first]!;
      this.#first += 1;
    }
    this.#acknowledged = this.#oldest;
    this.#giveBack();
  }

  /** The message under way will have no end. */
  cut(): void {
    if (!this.#isSkipping) this.end = this.#ends.at(-1) ?? this.#base;
    this.#headerBytes = 0;
    this.#payloadLeft = 0;
    this.#isInMessage = false;
  }

  /** Where to go on for a client that has had `received` messages, or as far as is acknowledged. */
  continuation(received: number | null): Continuation {
    const after = received ?? this.#acknowledged;
    return { after: Math.max(after, this.#oldest), lost: Math.max(0, this.#oldest - after) };
  }

  /**
   * The frames of the messages after that number, one by one, and last of the one under way. A
   * message is one frame here but for one that passed as it came.
   */
  *from(after: number): Generator<Buffer> {
    const next = this.#first + after - this.#oldest;
    let at = next === this.#first ? this.#base : this.#ends[next - 1]!;
    for (let i = next; i < this.#ends.length; i += 1) {
      yield this.#bytes(at, this.#ends[i]!);
      at = this.#ends[i]!;
    }
    if (!this.#isSkipping && at < this.end) yield this.#bytes(at, this.end);
  }

  /** Forgets everything, and what comes until the message under way has ended. */
  forget(): void {
    this.#isSkipping = true;
    this.#ends = [];
    this.#first = 0;
    this.#pool.giveBack(this.#blocks);
    this.#blocks = [];
  }

  /** Number of the newest message that is not kept any more. */
  get #oldest(): number {
    return this.messages - (this.#ends.length - this.#first);
  }

  get #isBetween(): boolean {
    return !this.#isInMessage && this.#headerBytes === 0;
  }

  #copy(bytes: Buffer, from: number, to: number): void {
    let at = from;
    let place = this.end - this.#blockStart;
    while (at < to) {
      const index = Math.floor(place / keptBlockBytes);
      if (index === this.#blocks.length) {
        const block = this.#pool.take();
        if (block === null) {
          this.forget();
          return;
        }
        this.#blocks.push(block);
      }
      const copied = bytes.copy(this.#blocks[index]!, place - index * keptBlockBytes, at, to);
      at += copied;
      place += copied;
    }
  }

  /** Counts the messages that end. */
  #walk(bytes: Buffer, from: number, to: number): void {
    const start = this.end - from;
    let at = from;
    while (at < to) {
      if (this.#payloadLeft > 0) {
        const skipped = Math.min(this.#payloadLeft, to - at);
        at += skipped;
        this.#payloadLeft -= skipped;
      } else {
        this.#header[this.#headerBytes] = bytes[at]!;
        this.#headerBytes += 1;
        at += 1;
        if (!this.#readHeader()) continue;
      }
      if (this.#payloadLeft > 0) continue;
      this.#headerBytes = 0;
      this.#isInMessage = (this.#header[0]! & FINAL) === 0;
      if (this.#isInMessage) continue;
      this.messages += 1;
      if (!this.#isSkipping) this.#ends.push(start + at);
    }
    this.end = start + to;
  }

  /** Whether the header is whole; how long its payload is, is known then. */
  #readHeader(): boolean {
    if (this.#headerBytes < 2) return false;
    const short = this.#header[1]!;
    const extended = short < 126 ? 0 : short === 126 ? 2 : 8;
    if (this.#headerBytes < 2 + extended) return false;
    let length = extended === 0 ? short : 0;
    for (let i = 2; i < 2 + extended; i += 1) length = length * 256 + this.#header[i]!;
    this.#payloadLeft = length;
    return true;
  }

  #forgetOldest(): void {
    if (this.#first === this.#ends.length) {
      this.forget();
      return;
    }
    this.#base = this.#ends[this.#first]!;
    this.#first += 1;
    this.#giveBack();
  }

  /** The next message is kept again. */
  #startHere(): void {
    this.#isSkipping = false;
    this.#base = this.end;
    this.#blockStart = this.end;
  }

  /** Blocks that hold nothing any more, and the places of ends. */
  #giveBack(): void {
    const isEmpty = this.#base === this.end;
    const unused = Math.floor((this.#base - this.#blockStart) / keptBlockBytes);
    const given = this.#blocks.splice(0, isEmpty ? this.#blocks.length : unused);
    this.#pool.giveBack(given);
    this.#blockStart = isEmpty ? this.end : this.#blockStart + given.length * keptBlockBytes;
    if (this.#first < ENDS_TIDIED && !isEmpty) return;
    this.#ends.splice(0, this.#first);
    this.#first = 0;
  }

  #bytes(from: number, to: number): Buffer {
    const bytes = Buffer.allocUnsafe(to - from);
    let at = 0;
    while (at < bytes.length) {
      const place = from + at - this.#blockStart;
      const index = Math.floor(place / keptBlockBytes);
      const inBlock = place - index * keptBlockBytes;
      const until = Math.min(keptBlockBytes, inBlock + bytes.length - at);
      at += this.#blocks[index]!.copy(bytes, at, inBlock, until);
    }
    return bytes;
  }
}

const FINAL = 0x80;
/** So many forgotten ends are removed at once. */
const ENDS_TIDIED = 64;

/** The text of a message that is one frame without a mask; null for another. */
export function textOf(frame: Buffer): string | null {
  if (frame[0] !== (FINAL | OPCODE_TEXT)) return null;
  const short = frame[1]!;
  return frame.toString('utf8', short < 126 ? 2 : short === 126 ? 4 : 10);
}
