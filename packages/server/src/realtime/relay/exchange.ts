/**
 * Speaks first on a fresh upstream, before a relay takes it over: sends messages, and reads text
 * messages until the caller has heard what it waits for. The client's socket is not read meanwhile,
 * so what its user sends waits in the system's buffers, and none of it can overtake the messages.
 *
 *   sent ──`heard` says so──▶ done: the peer is paused, what came after waits in its `head`
 *    └── closed, lost, broken rule, too long, late, aborted ──▶ the socket is destroyed
 *
 * Bounded: `maxBytes` for all that is read, `timeoutMs` for all of it.
 */
import { Assembler, decodeText } from './assembler.ts';
import { readClose } from './close-codes.ts';
import { encodePong, encodeText } from './frame-encoder.ts';
import {
  FrameScanner,
  FrameViolation,
  OPCODE_CLOSE,
  OPCODE_PING,
  OPCODE_TEXT,
  SCAN_CONTROL,
  SCAN_DATA,
} from './frame-scanner.ts';
import type { RelayPeer } from './side.ts';

export interface ExchangeOptions {
  /** The upstream, not read by anybody yet. */
  readonly peer: RelayPeer;
  readonly messages: readonly string[];
  /** Told each text message that comes; true ends the exchange. */
  readonly heard: (text: string) => boolean;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

/** `reason`: of the upstream's close frame, or which rule was broken. */
export type ExchangeEnd =
  | { readonly kind: 'done' | 'lost' | 'timeout' | 'aborted' }
  | { readonly kind: 'closed' | 'violation'; readonly code: number; readonly reason: string };

/** Never rejects. */
export function exchange(options: ExchangeOptions): Promise<ExchangeEnd> {
  return new Promise(resolve => new Exchange(options, resolve).start());
}

/** Puts messages back in front of what the peer's reader will read first. */
export function putBack(peer: RelayPeer, texts: readonly string[]): void {
  const frames = texts.map(text => encodeText(text, false));
  peer.head = Buffer.concat([...frames, peer.head ?? NOTHING]);
}

const NOTHING = Buffer.alloc(0);

class Exchange {
  readonly #options: ExchangeOptions;
  readonly #resolve: (end: ExchangeEnd) => void;
  readonly #scanner: FrameScanner;
  #message = new Assembler();
  #bytes = 0;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ExchangeOptions, resolve: (end: ExchangeEnd) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#scanner = new FrameScanner({ masked: false, maxMessageBytes: options.maxBytes });
  }

  start(): void {
    const { peer, messages, timeoutMs, signal } = this.#options;
    const { socket, read } = peer;
    this.#timer = setTimeout(() => this.#end({ kind: 'timeout' }), timeoutMs);
    signal?.addEventListener('abort', this.#abort);
    if (signal?.aborted) this.#abort();
    else if (socket.closed) this.#lost();
    if (this.#ended) return;
    socket.on('close', this.#lost);
    socket.on('end', this.#lost);
    for (const message of messages) socket.write(encodeText(message, true));
    const { head } = peer;
    peer.head = undefined;
    if (head !== undefined) this.#take(head);
    // The reader of a shared buffer stays until the next one: it keeps what comes in between.
    if (read !== undefined) read(chunk => this.#take(Buffer.from(chunk)));
    else socket.on('data', this.#take);
    if (!this.#ended) socket.resume();
  }

  #take = (chunk: Buffer): void => {
    const { peer } = this.#options;
    const from = this.#ended ? 0 : this.#scan(chunk);
    if (from < chunk.length)
      peer.head = Buffer.concat([peer.head ?? NOTHING, chunk.subarray(from)]);
  };

  /** Answers up to where it has read. */
  #scan(chunk: Buffer): number {
    let at = 0;
    try {
      while (at < chunk.length && !this.#ended) {
        const found = this.#scanner.step(chunk, at);
        at = this.#scanner.next;
        if (found === SCAN_CONTROL) this.#control();
        else if (found === SCAN_DATA) this.#data(chunk);
      }
    } catch (error) {
      if (!(error instanceof FrameViolation)) throw error;
      this.#end({ kind: 'violation', code: error.closeCode, reason: error.message });
    }
    return at;
  }

  #control(): void {
    const { opcode, control } = this.#scanner;
    if (opcode === OPCODE_PING) this.#options.peer.socket.write(encodePong(control, true));
    if (opcode === OPCODE_CLOSE) this.#end({ kind: 'closed', ...readClose(control, false) });
  }

  #data(chunk: Buffer): void {
    const { opcode, pieceStart, pieceEnd, messageEnd } = this.#scanner;
    this.#bytes += pieceEnd - pieceStart;
    if (opcode !== OPCODE_TEXT) throw new FrameViolation(1003, 'a binary message');
    if (this.#bytes > this.#options.maxBytes) throw new FrameViolation(1009, 'too long');
    this.#message.add(chunk, this.#scanner);
    if (!messageEnd) return;
    const text = decodeText(this.#message.bytes());
    this.#message = new Assembler();
    if (this.#options.heard(text)) this.#end({ kind: 'done' });
  }

  #abort = (): void => this.#end({ kind: 'aborted' });
  #lost = (): void => this.#end({ kind: 'lost' });

  #end(end: ExchangeEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    const { peer, signal } = this.#options;
    const { socket } = peer;
    clearTimeout(this.#timer);
    signal?.removeEventListener('abort', this.#abort);
    socket.off('close', this.#lost);
    socket.off('end', this.#lost);
    socket.off('data', this.#take);
    if (end.kind === 'done') socket.pause();
    else socket.destroy();
    this.#resolve(end);
  }
}
