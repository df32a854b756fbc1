/**
 * One session of the load: opened → streaming → the model's stream ended → closed. It counts and
 * hashes what it sends and receives, and remembers what else happens.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { ClientSession } from './messages.ts';

/** One audio frame: what is sent and what it stands for. */
export interface Frame {
  readonly message: Buffer;
  readonly pcm: Buffer;
}

interface ServerEvent {
  readonly type: string;
  readonly delta?: string;
  readonly session?: { readonly id: string };
  readonly error?: { readonly code?: string; readonly message?: string };
}

const OPEN_TIMEOUT_MS = 60_000;
const FINISH_TIMEOUT_MS = 60_000;
const CLOSE_TIMEOUT_MS = 30_000;
/** A connection that has this much waiting does not keep up. */
const WAITING_MAX_BYTES = 4 * 1024 * 1024;
const FAULTS_MAX = 20;

export class LoadSession {
  readonly #socket: WebSocket;
  readonly #sent = createHash('sha256');
  readonly #received = createHash('sha256');
  readonly #faults: string[] = [];
  readonly #awaited = new Map<string, () => void>();
  #id = '';
  #upstreamId = '';
  #facts = 0;
  #expectingClose = false;
  framesSent = 0;
  framesReceived = 0;

  private constructor(url: string) {
    this.#socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true });
    this.#socket.on('message', data => this.#take(JSON.parse(String(data)) as ServerEvent));
    this.#socket.on('error', error => this.#fault(`error: ${error.message}`));
    this.#socket.on('close', (code, reason) => {
      if (!this.#expectingClose) this.#fault(`closed: ${code} ${reason}`);
      for (const tell of this.#awaited.values()) tell();
    });
  }

  /** Resolves when the model and the server have introduced themselves, or have closed. */
  static async open(url: string): Promise<LoadSession> {
    const session = new LoadSession(url);
    const ready = [session.#event('session.created'), session.#event('holdfast.session')];
    await session.#within(Promise.all(ready), OPEN_TIMEOUT_MS, 'was not opened');
    return session;
  }

  get lost(): boolean {
    return !this.#expectingClose && this.#socket.readyState !== WebSocket.OPEN;
  }

  send({ message, pcm }: Frame): void {
    if (this.lost) return;
    this.#socket.send(message, { binary: false });
    this.#sent.update(pcm);
    this.framesSent += 1;
    if (this.#socket.bufferedAmount > WAITING_MAX_BYTES) this.#fault('does not keep up');
  }

  /** Something for the log: the result of a function that the model did not call. */
  sendFact(): void {
    if (this.lost) return;
    this.#facts += 1;
    const item = {
      type: 'function_call_output',
      call_id: `call_${this.#facts}`,
      output: JSON.stringify({ measured: this.#facts }),
    };
    this.#socket.send(JSON.stringify({ type: 'conversation.item.create', item }));
  }

  /** Ends the model's stream: what came before `response.done` is all there is. */
  async finish(): Promise<void> {
    if (this.lost) return;
    const done = this.#event('response.done');
    this.#socket.send('{"type":"response.cancel"}');
    await this.#within(done, FINISH_TIMEOUT_MS, 'no response.done');
  }

  async close(): Promise<void> {
    if (this.lost) return;
    this.#expectingClose = true;
    const closed = once(this.#socket, 'close');
    this.#socket.close(1000);
    await this.#within(closed, CLOSE_TIMEOUT_MS, 'no answer to close');
    this.#socket.terminate();
  }

  result(): ClientSession {
    return {
      id: this.#id,
      upstreamId: this.#upstreamId,
      framesSent: this.framesSent,
      framesReceived: this.framesReceived,
      sentSha256: this.#sent.copy().digest('hex'),
      receivedSha256: this.#received.copy().digest('hex'),
      facts: this.#facts,
      faults: this.#faults,
    };
  }

  #take(event: ServerEvent): void {
    if (event.type === 'response.output_audio.delta') {
      this.#received.update(Buffer.from(event.delta ?? '', 'base64'));
      this.framesReceived += 1;
      return;
    }
    if (event.type === 'session.created') this.#upstreamId = event.session?.id ?? '';
    if (event.type === 'holdfast.session') this.#id = event.session?.id ?? '';
    if (event.type === 'error') {
      this.#fault(`error event: ${event.error?.code} ${event.error?.message}`);
    }
    this.#awaited.get(event.type)?.();
    this.#awaited.delete(event.type);
  }

  #event(type: string): Promise<void> {
    return new Promise(resolve => this.#awaited.set(type, resolve));
  }

  /** A wait that ends in any case; one that was in vain is a fault of the session. */
  async #within(wait: Promise<unknown>, timeoutMs: number, fault: string): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>(resolve => {
      timer = setTimeout(() => resolve('late'), timeoutMs);
    });
    if ((await Promise.race([wait, late])) === 'late') this.#fault(fault);
    clearTimeout(timer);
  }

  #fault(text: string): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(text);
  }
}
