/**
 * The way out to one side: forwarded bytes, and between them Holdfast's own frames.
 *
 * The pump that forwards reports after each write whether it stopped inside a frame or a message
 * (`mark`). Own frames wait until they may stand there: control frames (pong, ping, close) at frame
 * boundaries, own events at message boundaries. What waits is bounded: one pong (the latest, RFC
 * 6455 §5.5.3), one ping, one close, and `maxInjectBytes` of events. After the close frame nothing
 * is written any more.
 *
 * Where its reader is away (`detach`), what is sent is only kept, for its next socket.
 *
 * Several writes for one chunk are corked (`begin`/`end`), so that they leave in one system call.
 */
import type { Duplex } from 'node:stream';
import { encodeClose, encodePing, encodePong, encodeText } from './frame-encoder.ts';
import type { KeptOutput } from './kept-output.ts';
import { maxPongBacklogBytes } from './limits.ts';
import type { Slab } from './slab.ts';

export interface OutletOptions {
  readonly socket: Duplex;
  /** Frames made here are masked: true towards an upstream. */
  readonly masked: boolean;
  readonly maxInjectBytes: number;
  readonly slab: Slab;
  /** Keeps what is sent for another connection of the same reader; pings ask for its progress. */
  readonly kept?: KeptOutput | undefined;
}

export class Outlet {
  /** Where it leads now. */
  socket: Duplex;
  /** A close frame was written, or the socket is gone: everything further is dropped. */
  closed = false;
  insideFrame = false;
  insideMessage = false;
  /** Own frames wait for a boundary; pumps look at this at each frame's end. */
  waiting = false;

  readonly #masked: boolean;
  readonly #maxInjectBytes: number;
  readonly #slab: Slab;
  readonly #kept: KeptOutput | undefined;
  #isDetached = false;
  #corked = false;
  #pong: Buffer | null = null;
  #ping = false;
  #close: Buffer | null = null;
  #events: Buffer[] | null = null;
  #eventBytes = 0;

  constructor(options: OutletOptions) {
    this.socket = options.socket;
    this.#masked = options.masked;
    this.#maxInjectBytes = options.maxInjectBytes;
    this.#slab = options.slab;
    this.#kept = options.kept;
  }

  /** Leads to another socket from now on. What waited for the old one is dropped. */
  attach(socket: Duplex): void {
    this.uncork();
    this.socket = socket;
    this.closed = false;
    this.insideFrame = false;
    this.insideMessage = false;
    this.waiting = false;
    this.#pong = null;
    this.#ping = false;
    this.#close = null;
    this.#events = null;
    this.#eventBytes = 0;
  }

  /** The reader is away: nothing is written to its socket any more. */
  detach(): void {
    this.uncork();
    this.#isDetached = true;
    this.closed = false;
    this.#pong = null;
    this.#ping = false;
    this.#close = null;
    this.waiting = this.#events !== null;
  }

  /** The reader is back at another socket, which gets `first` before what is sent from now on. */
  reattach(socket: Duplex, first: Iterable<Buffer>): void {
    this.socket = socket;
    this.#isDetached = false;
    socket.cork();
    for (const frame of first) socket.write(frame);
    socket.uncork();
  }

  /** Bytes that the reader has not taken yet. */
  get backlogBytes(): number {
    return this.#isDetached ? 0 : this.socket.writableLength;
  }

  /** Forwards `[from, to)` of `chunk`; copies it first if the chunk is only `borrowed`. */
  forward(chunk: Buffer, from: number, to: number, borrowed: boolean): void {
    if (from === to || this.closed) return;
    this.#kept?.push(chunk, from, to);
    if (this.#isDetached) return;
    if (borrowed) {
      const copy = this.#slab.copy(chunk, from, to);
      this.socket.write(copy);
      if (this.socket.writableLength === 0) this.#slab.giveBack(copy);
    } else {
      this.socket.write(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to));
    }
  }

  /** Writes a whole message or header bytes that are the caller's to give away. */
  write(bytes: Buffer): void {
    if (this.closed) return;
    this.#kept?.push(bytes, 0, bytes.length);
    if (!this.#isDetached) this.socket.write(bytes);
  }

  /** From here on, several writes for one chunk follow. */
  cork(): void {
    if (this.#corked || this.#isDetached) return;
    this.#corked = true;
    this.socket.cork();
  }

  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.socket.uncork();
  }

  /** Records where the forwarded bytes stopped. Lets out what may leave there. */
  mark(insideFrame: boolean, insideMessage: boolean): void {
    this.insideFrame = insideFrame;
    this.insideMessage = insideMessage;
    if (this.waiting) this.release();
  }

  /** Lets out what waits and may leave at this point. */
  release(): void {
    if (this.insideFrame || this.closed) return;
    if (!this.insideMessage) this.#releaseEvents();
    if (this.#pong !== null && this.backlogBytes <= maxPongBacklogBytes) {
      this.socket.write(encodePong(this.#pong, this.#masked));
      this.#pong = null;
    }
    if (this.#ping) {
      this.socket.write(encodePing(this.#masked, this.#kept?.end));
      this.#ping = false;
    }
    if (this.#close !== null) {
      this.socket.write(this.#close);
      this.closed = true;
      this.#events = null;
    }
    this.waiting = this.#pong !== null || this.#events !== null;
  }

  #releaseEvents(): void {
    if (this.#events === null) return;
    for (const event of this.#events) this.write(event);
    this.#events = null;
    this.#eventBytes = 0;
  }

  /** Answers a ping. Of several that could not be answered yet, only the latest is. */
  pong(payload: Buffer): void {
    if (this.#isDetached) return;
    this.#pong = payload;
    this.#wait();
  }

  ping(): void {
    if (this.#isDetached) return;
    this.#ping = true;
    this.#wait();
  }

  /** Pings with the next bytes that leave, which costs no write of its own; or at a tick. */
  pingAlong(): void {
    if (this.#isDetached) return;
    this.#ping = true;
    this.waiting = true;
  }

  /** Sends an own event at the next message boundary; false if too much is waiting already. */
  inject(text: string): boolean {
    if (this.closed || this.#close !== null) return false;
    const frame = encodeText(text, this.#masked);
    const backlogBytes = this.#eventBytes + this.backlogBytes;
    if (backlogBytes + frame.length > this.#maxInjectBytes) return false;
    this.#events ??= [];
    this.#events.push(frame);
    this.#eventBytes += frame.length;
    this.#wait();
    return true;
  }

  /** Sends a close frame at the next frame boundary; the first one counts. */
  close(code: number, reason: string): void {
    if (this.closed || this.#isDetached || this.#close !== null) return;
    this.#close = encodeClose(code, reason, this.#masked);
    this.#wait();
  }

  #wait(): void {
    this.waiting = true;
    this.release();
  }
}
