import { ApiError, networkError } from '../api-error.ts';
import type { Http } from '../http.ts';
import { known, parseEvent, type ServerEvent } from './events.ts';
import type { TransportContext, VoiceTransport } from './transport.ts';

/** Unsent bytes beyond which a line counts as choked: about half a minute of audio. */
const BUFFERED_MAX_BYTES = 2 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 15_000;

export interface WebSocketLine {
  http: Http;
  model: string;
  /** Gives the `ek_…` secret the session is opened with, in place of the client's credentials. */
  clientSecret?: (() => Promise<string>) | undefined;
  WebSocket?: typeof WebSocket | undefined;
  connectTimeoutMs?: number | undefined;
}

/**
 * Events and audio over `/v1/realtime`. A browser can send no header with an upgrade, so a key
 * travels as a subprotocol, the way OpenAI's own client does it; a signed-in page sends its cookie,
 * and its secret like a key.
 */
export function webSocketTransport(line: WebSocketLine): VoiceTransport {
  let socket: WebSocket | null = null;
  return {
    kind: 'websocket',
    sessionId: null,
    async connect(context) {
      const key = await (line.clientSecret?.() ?? line.http.token());
      const protocols = ['realtime'];
      const secret = key === null ? line.http.pageSecret() : null;
      if (key !== null) protocols.push(`openai-insecure-api-key.${key}`);
      if (secret !== null) protocols.push(`holdfast-page.${secret}`);
      context.signal.throwIfAborted();
      socket = new (line.WebSocket ?? WebSocket)(address(line), protocols);
      await opened(socket, context, line.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    },
    get choked() {
      return (socket?.bufferedAmount ?? 0) > BUFFERED_MAX_BYTES;
    },
    send(event) {
      if (socket?.readyState !== 1) return false;
      socket.send(JSON.stringify(event));
      return true;
    },
    close() {
      socket?.close(1000, 'done');
    },
  };
}

function address({ http, model }: WebSocketLine): string {
  const page = typeof location === 'undefined' ? undefined : location.href;
  const url = new URL(http.url('/v1/realtime', { model }), page);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/**
 * Resolves with the model's `session.created`. Before it the upstream may still refuse, which the
 * server reports by an `error` event and a close.
 */
function opened(socket: WebSocket, context: TransportContext, timeoutMs: number): Promise<void> {
  const { signal } = context;
  return new Promise((resolve, reject) => {
    let state: 'opening' | 'open' | 'over' = 'opening';
    let reported: ServerEvent | null = null;
    const fail = (error: unknown) => {
      if (state !== 'opening') return;
      state = 'over';
      clearTimeout(timer);
      socket.close();
      reject(error);
    };
    const timer = setTimeout(() => fail(timeoutError()), timeoutMs);
    signal.addEventListener('abort', () => fail(signal.reason), { once: true });
    socket.addEventListener('message', message => {
      const event = parseEvent(message.data);
      if (event === null || state === 'over') return;
      if (event.type === 'error') reported = event;
      if (event.type === 'session.created' && state === 'opening') {
        state = 'open';
        clearTimeout(timer);
        resolve();
      }
      context.onEvent(event);
    });
    socket.addEventListener('close', close => {
      if (state === 'opening') return fail(refusal(reported, close));
      if (state === 'over') return;
      state = 'over';
      const clean = close.wasClean && (close.code === 1000 || close.code === 1001);
      context.onClosed({ code: close.code, reason: close.reason, clean });
    });
  });
}

function timeoutError(): ApiError {
  return networkError(new DOMException('', 'TimeoutError'));
}

/** The reason in the server's own words where it gave one; browsers hide the HTTP answer itself. */
function refusal(reported: ServerEvent | null, close: CloseEvent): ApiError {
  const event = reported === null ? null : known(reported);
  if (event?.type === 'error' && event.error) {
    return new ApiError({
      code: (event.error.code ?? 'upstream_error') as ApiError['code'],
      status: 502,
      detail: event.error.message ?? close.reason,
      requestId: null,
    });
  }
  return new ApiError({
    code: 'network',
    status: 0,
    detail: close.reason || 'The server refused the connection or cannot be reached.',
    requestId: null,
  });
}
