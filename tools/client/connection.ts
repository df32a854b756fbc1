import { performance } from 'node:perf_hooks';
import WebSocket from 'ws';
import type { ClientOptions } from './arguments.ts';

/** The figures of one connection. Times in milliseconds. */
export interface ConnectionReport {
  readonly number: number;
  /** As the server named itself in the stream, in a `holdfast.session` event. */
  revision: string | null;
  replica: string | null;
  openedAfterMs: number | null;
  lifeMs: number;
  messages: number;
  bytes: number;
  pings: number;
  /** Pings that were answered before the next one was due. */
  pongs: number;
  worstPongMs: number;
  closeCode: number | null;
  /** Why it failed; null: it lived until we closed it. */
  fault: string | null;
}

const OPEN_TIMEOUT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 5_000;
const MESSAGE_MAX_BYTES = 32 * 1024 * 1024;

/**
 * Opens one connection and keeps it until `end` is aborted or it fails. Reads everything that
 * comes, as a client that listens would, and counts a pong only when it answers its own ping in
 * time.
 */
export function holdConnection(
  number: number,
  options: ClientOptions,
  end: AbortSignal,
): Promise<ConnectionReport> {
  return new Connection(number, options, end).done;
}

class Connection {
  readonly done: Promise<ConnectionReport>;
  readonly #report: ConnectionReport;
  readonly #options: ClientOptions;
  readonly #socket: WebSocket;
  readonly #startedAt = performance.now();
  #openedAt: number | undefined;
  #pinged: { payload: string; at: number } | undefined;
  #pingTimer: NodeJS.Timeout | undefined;
  #ending = false;

  constructor(number: number, options: ClientOptions, end: AbortSignal) {
    this.#options = options;
    this.#report = {
      number,
      revision: null,
      replica: null,
      openedAfterMs: null,
      messages: 0,
      bytes: 0,
      pings: 0,
      pongs: 0,
      worstPongMs: 0,
      lifeMs: 0,
      closeCode: null,
      fault: null,
    };
    this.#socket = new WebSocket(options.url, {
      headers: options.key === undefined ? {} : { authorization: `Bearer ${options.key}` },
      handshakeTimeout: OPEN_TIMEOUT_MS,
      maxPayload: MESSAGE_MAX_BYTES,
      rejectUnauthorized: !options.insecure,
    });
    const { promise, resolve } = Promise.withResolvers<ConnectionReport>();
    this.done = promise;
    this.#listen(resolve);
    const finish = () => this.#finish();
    if (end.aborted) queueMicrotask(finish);
    else end.addEventListener('abort', finish, { once: true });
  }

  #listen(resolve: (report: ConnectionReport) => void): void {
    this.#socket.on('open', () => this.#opened());
    this.#socket.on('message', (data, isBinary) => this.#received(data as Buffer, isBinary));
    this.#socket.on('pong', payload => this.#ponged(payload.toString()));
    this.#socket.on('error', error => this.#fail(error.message));
    this.#socket.on('unexpected-response', (_request, response) => {
      this.#fail(`refused with HTTP ${response.statusCode}`);
      this.#socket.terminate();
    });
    this.#socket.on('close', (code, reason) => {
      clearInterval(this.#pingTimer);
      const now = performance.now();
      this.#report.lifeMs = now - (this.#openedAt ?? now);
      this.#report.closeCode = this.#openedAt === undefined ? null : code;
      if (!this.#ending) this.#fail(`closed by the server: ${code} ${reason.toString()}`.trim());
      resolve(this.#report);
    });
  }

  #opened(): void {
    this.#openedAt = performance.now();
    this.#report.openedAfterMs = this.#openedAt - this.#startedAt;
    this.#ping();
    this.#pingTimer = setInterval(() => this.#ping(), this.#options.pingIntervalMs);
  }

  #ping(): void {
    if (this.#pinged) {
      this.#stop('a ping was not answered before the next was due');
      return;
    }
    this.#report.pings += 1;
    this.#pinged = { payload: String(this.#report.pings), at: performance.now() };
    this.#socket.ping(this.#pinged.payload);
  }

  #ponged(payload: string): void {
    if (payload !== this.#pinged?.payload) return;
    this.#report.pongs += 1;
    this.#report.worstPongMs = Math.max(
      this.#report.worstPongMs,
      performance.now() - this.#pinged.at,
    );
    this.#pinged = undefined;
    if (this.#ending) this.#close();
  }

  #received(data: Buffer, isBinary: boolean): void {
    this.#report.messages += 1;
    this.#report.bytes += data.length;
    if (isBinary || this.#report.revision !== null) return;
    const session = heldSession(data);
    this.#report.revision = session?.revision ?? null;
    this.#report.replica = session?.replica ?? null;
  }

  /** The time is over: close, but not before the answer to a ping that is on its way. */
  #finish(): void {
    this.#ending = true;
    clearInterval(this.#pingTimer);
    if (this.#openedAt === undefined) {
      this.#stop('never opened');
    } else if (this.#pinged) {
      const late = () => this.#stop('the last ping was not answered');
      this.#pingTimer = setTimeout(late, Math.min(this.#options.pingIntervalMs, CLOSE_TIMEOUT_MS));
    } else {
      this.#close();
    }
  }

  #close(): void {
    this.#socket.close(1000);
    setTimeout(() => this.#socket.terminate(), CLOSE_TIMEOUT_MS).unref();
  }

  #stop(fault: string): void {
    this.#fail(fault);
    this.#socket.terminate();
  }

  #fail(fault: string): void {
    this.#report.fault ??= fault;
  }
}

const MARK = '"holdfast.session"';

/** Only the event that names the server is parsed; audio is not. */
function heldSession(data: Buffer): { revision: string; replica: string } | undefined {
  if (data.length > 16_384 || !data.includes(MARK)) return undefined;
  try {
    const event = JSON.parse(data.toString()) as {
      type?: unknown;
      session?: { revision?: unknown; replica?: unknown };
    };
    if (event.type !== 'holdfast.session') return undefined;
    const { revision, replica } = event.session ?? {};
    return { revision: String(revision), replica: String(replica) };
  } catch {
    return undefined;
  }
}
