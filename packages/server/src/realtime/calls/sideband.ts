import { WebSocket } from 'ws';
import type { HoldfastError } from '../../kernel/index.ts';
import type { Upstream } from '../../models/index.ts';
import { refusalError } from '../errors.ts';
import type { PassedOn } from '../passed-on.ts';
import { EVENT_TYPE, readRefusal } from '../relay/index.ts';
import { REQUEST_ID_HEADER, secretsOf, upstreamHeaders } from '../upstream.ts';

/**
 * One attachment to a call's sideband at the provider: a WebSocket on which the provider reports
 * what happens in the call. Pings keep it alive; a connection silent for `DEAD_AFTER_MS` is lost.
 */
/** For credentials and handshake together. */
const ATTACH_TIMEOUT_MS = 10_000;
const PING_INTERVAL_MS = 15_000;
const DEAD_AFTER_MS = 45_000;
const CLOSE_TIMEOUT_MS = 1_500;
/** Events may carry audio; the provider's own bound on messages is 15 MiB. */
const MESSAGE_MAX_BYTES = 16 * 1024 * 1024;
/** Audio is told by the beginning of a message alone. */
const AUDIO_TYPES: ReadonlySet<string> = new Set([
  'response.output_audio.delta',
  'response.audio.delta',
]);
const TYPE_WITHIN_BYTES = 192;

export interface SidebandEnd {
  /** `refused`: it never opened, with the HTTP status if there was one. */
  readonly kind: 'refused' | 'closed';
  readonly status: number | undefined;
  /** What the provider said when it refused. */
  readonly refusal?: HoldfastError | undefined;
  readonly code: number;
  readonly reason: string;
}

export interface SidebandEvents {
  onOpen(): void;
  /** A text message that is not audio. */
  onText(text: string): void;
  /** Called once, whatever happened. */
  onEnd(end: SidebandEnd): void;
}

export interface Sideband {
  /** Says nothing when it is not open. */
  send(text: string): void;
  close(): void;
}

export interface SidebandTarget {
  readonly upstream: Upstream;
  /** The provider's id. */
  readonly callId: string;
  /** Ours. */
  readonly requestId: string;
  readonly passedOn?: PassedOn;
  /** Ends the wait for credentials; an attachment that was made is ended by `close`. */
  readonly signal: AbortSignal;
}

/** Throws the `HoldfastError` of credentials that fail; `onEnd` reports all other failures. */
export async function attachSideband(
  target: SidebandTarget,
  events: SidebandEvents,
): Promise<Sideband> {
  const { upstream, callId, requestId, passedOn, signal } = target;
  const startedMs = performance.now();
  const timeoutMs = ATTACH_TIMEOUT_MS;
  const credentials = await upstreamHeaders(upstream, { timeoutMs, signal });
  const socket = new WebSocket(upstream.wsUrl({ callId }), {
    headers: { ...passedOn, ...credentials, [REQUEST_ID_HEADER]: requestId },
    handshakeTimeout: Math.max(1, timeoutMs - (performance.now() - startedMs)),
    maxPayload: MESSAGE_MAX_BYTES,
    perMessageDeflate: false,
    followRedirects: false,
  });
  let refusal: { status: number; error: HoldfastError } | undefined;
  let opened = false;
  socket.on('open', () => {
    opened = true;
    events.onOpen();
  });
  socket.on('message', (data, isBinary) => {
    if (isBinary) return;
    const beginning = (data as Buffer).toString('latin1', 0, TYPE_WITHIN_BYTES);
    const type = EVENT_TYPE.exec(beginning)?.[1];
    if (type === undefined || !AUDIO_TYPES.has(type)) events.onText(String(data));
  });
  socket.on('unexpected-response', async (request, response) => {
    const answer = await readRefusal(response);
    const secrets = secretsOf(credentials, new URL(upstream.wsUrl({ callId })));
    const error = refusalError({ what: 'sideband', answer, secrets });
    refusal = { status: answer.status, error };
    request.destroy();
    // Without this event the socket waits for a response that has already come.
    socket.emit('close', 1006, Buffer.alloc(0));
  });
  socket.on('error', () => {});
  socket.once('close', (code, reason) => {
    events.onEnd({
      kind: opened ? 'closed' : 'refused',
      status: refusal?.status,
      refusal: refusal?.error,
      code,
      reason: reason.toString(),
    });
  });
  keepAlive(socket);
  return {
    send: text => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close() {
      socket.close(1000);
      // A call is handed over only then, and a drain waits for that.
      setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS).unref();
    },
  };
}

/** Pings, and ends a connection that has been silent for too long. */
function keepAlive(socket: WebSocket): void {
  let heardAtMs = performance.now();
  const heard = () => {
    heardAtMs = performance.now();
  };
  socket.on('pong', heard);
  socket.on('message', heard);
  const timer = setInterval(() => {
    if (performance.now() - heardAtMs >= DEAD_AFTER_MS) socket.terminate();
    else if (socket.readyState === WebSocket.OPEN) socket.ping();
  }, PING_INTERVAL_MS);
  timer.unref();
  socket.once('close', () => clearInterval(timer));
}
