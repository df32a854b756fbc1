import { createParser } from 'eventsource-parser';
import { ApiError, errorFromAnswer, networkError } from './api-error.ts';
import type { Http, HttpRequest } from './http.ts';

/** One event of a `text/event-stream`. */
export interface SseMessage {
  /** Empty where the server named none. */
  event: string;
  data: string;
}

export interface SseOptions {
  signal: AbortSignal;
  /** A connection without any bytes for this long, not even a comment, counts as dead. */
  idleMs: number;
  /** Called when the response has arrived and its body is on the way. */
  onOpen: () => void;
}

const BUFFER_MAX_CHARS = 1_000_000;

/**
 * Reads one response of an event stream: yields the messages that each piece of the body completes,
 * and returns true when the server has nothing to send (204) and false when the body has ended.
 * Throws ApiError when it is refused, cut, silent or not a stream.
 */
export async function* readSse(
  http: Http,
  path: string,
  request: Pick<HttpRequest, 'headers' | 'query'>,
  options: SseOptions,
): AsyncGenerator<SseMessage[], boolean> {
  const dead = new AbortController();
  const watchdog = idleTimer(options.idleMs, () => dead.abort(silence()));
  try {
    const response = await http.fetchOnce(path, {
      query: request.query,
      headers: { ...request.headers, accept: 'text/event-stream' },
      signal: AbortSignal.any([options.signal, dead.signal]),
      timeoutMs: null,
    });
    if (response.status === 204) return true;
    const body = await bodyOf(response);
    options.onOpen();
    yield* messages(body, watchdog.touch);
    return false;
  } catch (error) {
    if (options.signal.aborted) throw options.signal.reason;
    throw error instanceof ApiError ? error : networkError(error);
  } finally {
    watchdog.stop();
    dead.abort();
  }
}

async function* messages(
  body: ReadableStream<Uint8Array>,
  touch: () => void,
): AsyncGenerator<SseMessage[], void> {
  let found: SseMessage[] = [];
  let tooLong: Error | null = null;
  const parser = createParser({
    maxBufferSize: BUFFER_MAX_CHARS,
    onEvent: ({ event = '', data }) => found.push({ event, data }),
    onError: error => {
      if (error.type === 'max-buffer-size-exceeded') tooLong = error;
    },
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      touch();
      parser.feed(decoder.decode(value, { stream: true }));
      if (tooLong !== null) throw tooLong;
      if (found.length === 0) continue;
      const complete = found;
      found = [];
      yield complete;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function bodyOf(response: Response): Promise<ReadableStream<Uint8Array>> {
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  if (response.ok && isStream && response.body !== null) return response.body;
  const body = await response.text().catch(() => '');
  const header = (name: string) => response.headers.get(name);
  if (!response.ok) throw errorFromAnswer({ status: response.status, body, header });
  throw new ApiError({
    code: 'unavailable',
    // As transient as a bad gateway, because a proxy's page came in place of the server's response.
    status: 502,
    detail: 'The answer is not an event stream.',
    requestId: header('x-request-id'),
  });
}

function silence(): ApiError {
  return new ApiError({
    code: 'timeout',
    status: 0,
    detail: 'Nothing has come for too long.',
    requestId: null,
  });
}

function idleTimer(idleMs: number, onIdle: () => void) {
  let timer = setTimeout(onIdle, idleMs);
  return {
    touch: () => {
      clearTimeout(timer);
      timer = setTimeout(onIdle, idleMs);
    },
    stop: () => clearTimeout(timer),
  };
}
