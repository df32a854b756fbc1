/**
 * One session of the load: a client and, behind the relay under test, its upstream. Both live in
 * this process, so that a frame's way is timed with one clock and without looking into it.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { FrameCounter, textFrame } from './frames.ts';

const CONNECT_TIMEOUT_MS = 20_000;
const MAX_IN_FLIGHT = 1024;
const READ_BUFFER_BYTES = 64 * 1024;
/** Shared by all clients: each chunk is counted before the next is read. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

/** Where complete frames are counted and timed. */
export interface Meter {
  arrived(direction: Direction, payloadBytes: number): void;
}

/** One way through the relay: frames that are under way, by the time they were sent. */
export class Direction {
  /** Where to write; set when both ends are known. */
  socket: Duplex | null = null;
  frame: Buffer = Buffer.alloc(0);
  nextAtMs = 0;
  readonly #sentAtMs = new Float64Array(MAX_IN_FLIGHT);
  #sent = 0;
  #received = 0;

  get inFlight(): number {
    return this.#sent - this.#received;
  }

  send(nowMs: number): void {
    if (this.inFlight === MAX_IN_FLIGHT) throw new Error('the relay does not keep up');
    this.#sentAtMs[this.#sent++ % MAX_IN_FLIGHT] = nowMs;
    this.socket!.write(this.frame);
  }

  /** When the frame that just arrived was sent. */
  received(): number {
    return this.#sentAtMs[this.#received++ % MAX_IN_FLIGHT]!;
  }
}

export interface SessionOptions {
  readonly id: number;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly meter: Meter;
}

export class LoadSession {
  readonly up = new Direction();
  readonly down = new Direction();
  readonly #meter: Meter;
  readonly #client: Socket;
  #paired!: () => void;

  private constructor(options: SessionOptions) {
    this.#meter = options.meter;
    let take = (chunk: Buffer) => this.#handshake(chunk, options.id, then => (take = then));
    this.#client = connect({
      port: options.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: bytes => {
          take(readBuffer.subarray(0, bytes));
          return true;
        },
      },
    });
    this.#client.write(upgradeRequest(options));
  }

  /** Connects a client and waits until its upstream was found (`attachUpstream`). */
  static async open(options: SessionOptions): Promise<LoadSession> {
    const session = new LoadSession(options);
    sessions.set(options.id, session);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no session')), CONNECT_TIMEOUT_MS);
      session.#client.on('error', reject);
      session.#client.on('close', () => reject(new Error('connection lost')));
      session.#paired = () => {
        clearTimeout(timer);
        session.#client.removeAllListeners('close').on('close', () => {
          // A relay that ends a session is at fault.
          throw new Error('the relay closed a session');
        });
        resolve();
      };
    });
    return session;
  }

  #answer = '';

  /** Waits for the 101, sends the session's id, and goes on counting frames. */
  #handshake(chunk: Buffer, id: number, become: (take: (chunk: Buffer) => void) => void): void {
    this.#answer += chunk.toString('latin1');
    const end = this.#answer.indexOf('\r\n\r\n');
    if (end < 0) return;
    if (!this.#answer.startsWith('HTTP/1.1 101')) {
      this.#client.destroy(new Error(this.#answer.slice(0, end)));
      return;
    }
    const counter = new FrameCounter(false, {
      frame: payloadBytes => this.#meter.arrived(this.down, payloadBytes),
      pong: bytes => this.#client.write(bytes),
      small: () => undefined,
    });
    become(bytes => counter.take(bytes));
    counter.take(Buffer.from(this.#answer.slice(end + 4), 'latin1'));
    this.up.socket = this.#client;
    this.#client.write(textFrame(`{"type":"bench.hello","id":${id}}`, true));
  }

  /** The upstream's end, found by the client's first message. */
  attach(socket: Duplex): void {
    this.down.socket = socket;
    this.#paired();
  }

  arrivedUp(payloadBytes: number): void {
    this.#meter.arrived(this.up, payloadBytes);
  }

  close(): void {
    this.#client.removeAllListeners('close');
    this.#client.removeAllListeners('error').on('error', () => undefined);
    this.#client.destroy();
    this.down.socket?.destroy();
  }
}

/** All sessions by their number, for their upstreams to find them. */
const sessions = new Map<number, LoadSession>();

/** Counts what reaches the upstream's end and finds the session it belongs to. */
export function attachUpstream(socket: Duplex, head: Buffer): void {
  let session: LoadSession | undefined;
  const counter = new FrameCounter(true, {
    frame: payloadBytes => session?.arrivedUp(payloadBytes),
    pong: bytes => socket.write(bytes),
    small: payload => {
      const id = /"bench\.hello","id":(\d+)/.exec(payload.toString())?.[1];
      session ??= sessions.get(Number(id));
      session?.attach(socket);
    },
  });
  socket.on('error', () => undefined);
  socket.on('end', () => socket.end());
  socket.on('data', (chunk: Buffer) => counter.take(chunk));
  counter.take(head);
}

function upgradeRequest(options: SessionOptions): string {
  const headers = Object.entries(options.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return (
    `GET ${options.path} HTTP/1.1\r\nHost: 127.0.0.1:${options.port}\r\nUpgrade: websocket\r\n` +
    `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${headers.join('')}\r\n`
  );
}
