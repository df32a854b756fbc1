import { ApiError, networkError } from '../api-error.ts';
import { delayMs, type RetryPolicy, wait } from '../backoff.ts';
import type { Http } from '../http.ts';
import { known, parseEvent, type ServerEvent } from './events.ts';
import { Outbox } from './outbox.ts';
import type { TransportClosed, TransportContext, VoiceTransport } from './transport.ts';

/** Unsent bytes beyond which a line counts as choked: about half a minute of audio. */
const BUFFERED_MAX_BYTES = 2 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 15_000;
/** What waits for an acknowledgement: about a minute of audio. */
const OUTBOX_MAX_BYTES = 4 * 1024 * 1024;
/** Of the outbox; the rest is for what is no audio. */
const AUDIO_PART = 0.9;
/** A server waits about so long for a client that has lost its line. */
const AWAY_MAX_MS = 30_000;
/** A line on which nothing comes for so long although something is owed is dead. */
const SILENT_MAX_MS = 8_000;
const LOOK_MS = 1_000;
/** The close code of a connection that its client leaves for another one. */
const COMES_BACK = 4002;
const COME_BACK: RetryPolicy = { retries: 0, baseMs: 200, maxMs: 2_000, random: Math.random };

export interface WebSocketLine {
  http: Http;
  model: string;
  /** Gives the `ek_…` secret the session is opened with, in place of the client's credentials. */
  clientSecret?: (() => Promise<string>) | undefined;
  WebSocket?: typeof WebSocket | undefined;
  connectTimeoutMs?: number | undefined;
  /** How long a lost line is tried to be replaced; default 30 s, 0: not at all. */
  awayMaxMs?: number | undefined;
}

/**
 * Events and audio over `/v1/realtime`. A browser can send no header with an upgrade, so a key
 * travels as a subprotocol, the way OpenAI's own client does it; a signed-in page sends its cookie,
 * and its secret like a key.
 *
 *   connecting ──session.created──▶ here ──line lost, or closed to go on elsewhere──▶ away
 *   away ──another connection goes on──▶ here
 *   here ──closed for good──▶ over ; away ──refused, or too long──▶ over
 *
 * While the line is away what is sent is kept. Source of the messages that are counted and sent
 * again: docs/guide/continuity.md.
 */
export function webSocketTransport(line: WebSocketLine): VoiceTransport {
  return new ResumableSocket(line);
}

class ResumableSocket implements VoiceTransport {
  readonly kind = 'websocket';
  readonly sessionId = null;
  private readonly line: WebSocketLine;
  private readonly outbox = new Outbox(OUTBOX_MAX_BYTES);
  private readonly over = new AbortController();
  private context!: TransportContext;
  private protocols: string[] = [];
  private socket: WebSocket | null = null;
  private isHere = false;
  /** Of the newest connection; null where the server awaits nobody. */
  private handle: string | null = null;
  /** What is sent is kept until it is acknowledged. */
  private isKept = true;
  /** Messages that have come in all. */
  private received = 0;
  private heardAtMs = 0;
  private watch: ReturnType<typeof setInterval> | undefined;

  constructor(line: WebSocketLine) {
    this.line = line;
  }

  async connect(context: TransportContext): Promise<void> {
    this.context = context;
    const { http } = this.line;
    const key = await (this.line.clientSecret?.() ?? http.token());
    this.protocols = ['realtime'];
    const secret = key === null ? http.pageSecret() : null;
    if (key !== null) this.protocols.push(`openai-insecure-api-key.${key}`);
    if (secret !== null) this.protocols.push(`holdfast-page.${secret}`);
    context.signal.throwIfAborted();
    await this.open(null);
    this.isHere = true;
  }

  get choked(): boolean {
    const unsent = this.socket?.bufferedAmount ?? 0;
    return unsent > BUFFERED_MAX_BYTES || this.outbox.isFilled(AUDIO_PART);
  }

  send(event: object): boolean {
    const isOpen = this.isHere && this.socket?.readyState === 1;
    if (this.over.signal.aborted || !(isOpen || this.isAway)) return false;
    const text = JSON.stringify(event);
    if (this.isKept && !this.outbox.push(text)) return false;
    if (isOpen) this.socket?.send(text);
    return true;
  }

  close(): void {
    this.over.abort(new DOMException('The line was closed.', 'AbortError'));
    clearInterval(this.watch);
    this.socket?.close(1000, 'done');
  }

  private get isAway(): boolean {
    return this.handle !== null && !this.isHere && this.socket === null;
  }

  private address(resume: string | null): string {
    const page = typeof location === 'undefined' ? undefined : location.href;
    const { http, model } = this.line;
    const query = {
      model,
      acknowledge: 'true',
      ...(resume !== null && { resume, received: String(this.received) }),
    };
    const url = new URL(http.url('/v1/realtime', query), page);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return url.href;
  }

  /**
   * Resolves with the model's `session.created`, or, for a connection that goes on, with our own
   * event behind it. Before that the upstream may still refuse, which the server reports by an
   * `error` event and a close.
   */
  private open(resume: string | null, withinMs = CONNECT_TIMEOUT_MS): Promise<void> {
    const { signal } = this.context;
    const timeoutMs = Math.min(withinMs, this.line.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    const socket = new (this.line.WebSocket ?? WebSocket)(this.address(resume), this.protocols);
    return new Promise((resolve, reject) => {
      let state: 'opening' | 'open' | 'over' = 'opening';
      let reported: ServerEvent | null = null;
      const fail = (error: unknown) => {
        if (state !== 'opening') return;
        state = 'over';
        clearTimeout(timer);
        // The server may have gone on with this connection already.
        if (resume === null) socket.close();
        else socket.close(COMES_BACK, 'given up');
        reject(error);
      };
      const timer = setTimeout(() => fail(timeoutError()), timeoutMs);
      const abort = () => fail(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      socket.addEventListener('message', message => {
        if (state === 'over') return;
        const event = parseEvent(message.data);
        this.heardAtMs = Date.now();
        if (event?.type === 'error') reported = event;
        const isResuming = state === 'opening' && resume !== null;
        const isOpen = isResuming ? this.resumes(socket, event) : this.opens(socket, event);
        if (state !== 'opening' || !isOpen) return;
        state = 'open';
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        resolve();
      });
      socket.addEventListener('close', close => {
        const { code, reason, wasClean } = close;
        if (state === 'opening') return fail(new Refused(reported, { code, reason }));
        if (state === 'over' || this.socket !== socket) return;
        state = 'over';
        const clean = wasClean && (code === 1000 || code === 1001);
        this.ended({ code, reason, clean });
      });
    });
  }

  /** Takes a message; whether the session is open with it. */
  private opens(socket: WebSocket, event: ServerEvent | null): boolean {
    this.received += 1;
    if (event === null) return false;
    const isCreated = event.type === 'session.created';
    if (isCreated) this.socket = socket;
    this.take(event);
    return isCreated;
  }

  private take(event: ServerEvent): void {
    const e = known(event);
    if (e.type === 'holdfast.session') this.introduced(e.session?.resume_token ?? null);
    if (e.type === 'holdfast.session.acknowledged') this.outbox.forget(e.input ?? 0);
    else this.context.onEvent(event);
  }

  private introduced(handle: string | null): void {
    this.handle = this.line.awayMaxMs === 0 ? null : handle;
    this.isKept = this.handle !== null;
    clearInterval(this.watch);
    if (this.isKept) this.watch = setInterval(() => this.look(), LOOK_MS);
    else this.outbox.forget(Infinity);
  }

  /** Whether another connection is in the place of the one that was lost, with this message. */
  private resumes(socket: WebSocket, event: ServerEvent | null): boolean {
    if (event?.type !== 'holdfast.session') return false;
    const e = known(event);
    const resumed = e.type === 'holdfast.session' ? e.session?.resumed : undefined;
    if (resumed === undefined) {
      // Another session, of a server that does not know how to go on with this one.
      socket.close(1000, 'not resumed');
      return false;
    }
    this.socket = socket;
    this.isHere = true;
    this.received = resumed.output ?? this.received;
    this.take(event);
    this.outbox.forget(resumed.input ?? 0);
    for (const text of this.outbox.all()) socket.send(text);
    this.context.onLine?.({ state: 'here', lost: resumed.lost ?? 0 });
    return true;
  }

  /** A line may be dead without a close. */
  private look(): void {
    const isSilent = Date.now() - this.heardAtMs > SILENT_MAX_MS;
    const { socket } = this;
    if (!this.isHere || socket === null || !isSilent || !this.outbox.isOwed) return;
    this.ended({ code: 1006, reason: '', clean: false });
    // Should it be alive still, the server must not take this for a goodbye.
    socket.close(COMES_BACK, 'silent');
  }

  private ended(close: TransportClosed): void {
    this.socket = null;
    this.isHere = false;
    clearInterval(this.watch);
    if (this.over.signal.aborted || this.handle === null || isMeant(close.code)) {
      this.handle = null;
      this.context.onClosed(close);
      return;
    }
    this.context.onLine?.({ state: 'away' });
    void this.comeBack(close);
  }

  private async comeBack(close: TransportClosed): Promise<void> {
    const untilMs = Date.now() + (this.line.awayMaxMs ?? AWAY_MAX_MS);
    for (let attempt = 1; !this.over.signal.aborted; attempt += 1) {
      const pauseMs = delayMs(COME_BACK, attempt);
      await untilOnline(pauseMs, this.over.signal).catch(() => {});
      if (this.over.signal.aborted) break;
      try {
        await this.open(this.handle, Math.max(0, untilMs - Date.now()));
        return;
      } catch (error) {
        const isRefused = error instanceof Refused && isMeant(error.closed.code);
        if (isRefused || Date.now() > untilMs) break;
      }
    }
    this.handle = null;
    this.context.onClosed(close);
  }
}

/** Closed on purpose: coming back changes nothing. */
function isMeant(code: number | null): boolean {
  return code !== null && (code === 1000 || code === 1001 || code === 1008 || code >= 4000);
}

/** A pause that ends at once where the browser has a network again. */
function untilOnline(ms: number, signal: AbortSignal): Promise<void> {
  if (typeof addEventListener !== 'function') return wait(ms, signal);
  const online = new AbortController();
  const wake = () => online.abort();
  addEventListener('online', wake, { once: true });
  return wait(ms, AbortSignal.any([signal, online.signal])).finally(() =>
    removeEventListener('online', wake),
  );
}

function timeoutError(): ApiError {
  return networkError(new DOMException('', 'TimeoutError'));
}

/** In the server's own words where it gave some; browsers hide the HTTP answer itself. */
class Refused extends ApiError {
  readonly closed: { readonly code: number; readonly reason: string };

  constructor(reported: ServerEvent | null, closed: { code: number; reason: string }) {
    const event = reported === null ? null : known(reported);
    const said = event?.type === 'error' ? event.error : undefined;
    const unknown = 'The server refused the connection or cannot be reached.';
    super({
      code: (said ? (said.code ?? 'upstream_error') : 'network') as ApiError['code'],
      status: said ? 502 : 0,
      detail: said?.message ?? (closed.reason || unknown),
      requestId: null,
    });
    this.closed = closed;
  }
}
