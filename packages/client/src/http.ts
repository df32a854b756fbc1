import { ApiError, errorFromAnswer, networkError } from './api-error.ts';
import { delayMs, RETRY_DEFAULT, type RetryPolicy, wait } from './backoff.ts';

/**
 * How a client proves who it is. `cookie` is a page served by the server itself, which adds the
 * secret that it got when its reader signed in; `bearer` is an API key, a client secret or a JWT,
 * or a function that gives a fresh one before each request.
 */
export type Credentials =
  | { kind: 'cookie'; pageSecret?: (() => string | null) | undefined }
  | { kind: 'bearer'; token: string | (() => string | Promise<string>) };

export interface HttpOptions {
  /** Where the server is; '' or absent means the page's own origin. */
  baseUrl?: string | undefined;
  fetch?: typeof fetch | undefined;
  credentials?: Credentials | undefined;
  retry?: Partial<RetryPolicy> | undefined;
  /** For one try, not for all of them together. */
  timeoutMs?: number | undefined;
}

export interface HttpRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  query?: Record<string, string | number | boolean | undefined> | undefined;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is. */
  body?: BodyInit;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Sent with one `Idempotency-Key` for all tries, which makes trying again harmless. */
  idempotent?: boolean;
  /** In place of the client's own; null waits for as long as the signal does. */
  timeoutMs?: number | null;
}

const TIMEOUT_DEFAULT_MS = 30_000;
const KEY_BYTES = 16;
/** Methods that may be repeated: twice has the same effect as once. */
const REPEATABLE = new Set(['GET', 'PUT']);

/**
 * One request to the server: address, credentials, retries, errors. Only a GET, a PUT and a
 * request with an idempotency key are tried again; a lost response to another POST or DELETE leaves
 * open whether it was done.
 */
export class Http {
  readonly baseUrl: string;
  readonly credentials: Credentials;
  readonly retry: RetryPolicy;
  private readonly fetchImpl: typeof fetch;
  private readonly timeoutMs: number;
  private readonly options: HttpOptions;

  constructor(options: HttpOptions = {}) {
    this.options = options;
    this.baseUrl = (options.baseUrl ?? '').replace(/\/+$/, '');
    this.credentials = options.credentials ?? { kind: 'cookie' };
    this.retry = { ...RETRY_DEFAULT, ...options.retry };
    this.fetchImpl = options.fetch ?? ((input, init) => fetch(input, init));
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_DEFAULT_MS;
  }

  /** The same server with other credentials. */
  as(credentials: Credentials): Http {
    return new Http({ ...this.options, credentials });
  }

  /** The answer's JSON, or undefined for an empty one. Throws ApiError, or the signal's reason. */
  async json<T>(path: string, request: HttpRequest = {}): Promise<T> {
    const response = await this.request(path, request);
    const body = await response.text();
    return (body === '' ? undefined : JSON.parse(body)) as T;
  }

  /** The successful answer itself. Throws ApiError, or the signal's reason when aborted. */
  async request(path: string, asked: HttpRequest = {}): Promise<Response> {
    const repeatable = REPEATABLE.has(asked.method ?? 'GET') || asked.idempotent === true;
    const retries = repeatable ? this.retry.retries : 0;
    const request = asked.idempotent ? withKey(asked) : asked;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.once(path, request);
      if (outcome instanceof Response) return outcome;
      if (attempt > retries || !outcome.transient) throw outcome;
      await wait(delayMs(this.retry, attempt, outcome.retryAfterMs), request.signal);
    }
  }

  /** The full address of a path, as a browser element may load it. */
  url(path: string, query: HttpRequest['query'] = {}): string {
    const pairs = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)]));
    return `${this.baseUrl}${path}${pairs.length === 0 ? '' : `?${search}`}`;
  }

  /** The current token; null where the browser's cookie authenticates the caller. */
  async token(): Promise<string | null> {
    if (this.credentials.kind === 'cookie') return null;
    const { token } = this.credentials;
    return typeof token === 'string' ? token : await token();
  }

  /** Credential headers of one request; where `token` is null, the page's cookie goes with them. */
  async identification(): Promise<Record<string, string>> {
    const token = await this.token();
    if (token !== null) return { authorization: `Bearer ${token}` };
    const secret = this.pageSecret();
    return secret === null ? {} : { 'x-holdfast-page': secret };
  }

  /** The page's secret, which completes its cookie; null where there is none. */
  pageSecret(): string | null {
    return this.credentials.kind === 'cookie' ? (this.credentials.pageSecret?.() ?? null) : null;
  }

  /** One try, whatever its status. Throws ApiError only where no answer came. */
  async fetchOnce(path: string, request: HttpRequest = {}): Promise<Response> {
    const init = await this.init(request);
    try {
      return await this.fetchImpl(this.url(path, request.query), init);
    } catch (cause) {
      if (request.signal?.aborted) throw request.signal.reason;
      throw networkError(cause);
    }
  }

  private async once(path: string, request: HttpRequest): Promise<Response | ApiError> {
    let response: Response;
    try {
      response = await this.fetchOnce(path, request);
    } catch (error) {
      if (error instanceof ApiError) return error;
      throw error;
    }
    if (response.ok) return response;
    return errorFromAnswer({
      status: response.status,
      body: await response.text().catch(() => ''),
      header: name => response.headers.get(name),
    });
  }

  private async init(request: HttpRequest): Promise<RequestInit> {
    const headers: Record<string, string> = {
      accept: 'application/json',
      ...request.headers,
      ...(await this.identification()),
    };
    const { signal, timeoutMs = this.timeoutMs } = request;
    const signals = [signal, timeoutMs === null ? undefined : AbortSignal.timeout(timeoutMs)];
    const init: RequestInit = {
      method: request.method ?? 'GET',
      headers,
      credentials: this.credentials.kind === 'cookie' ? 'same-origin' : 'omit',
      signal: AbortSignal.any(signals.filter(one => one !== undefined)),
    };
    if (request.json !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(request.json);
    } else if (request.body !== undefined) {
      init.body = request.body;
    }
    return init;
  }
}

/** Random bytes and not `randomUUID`, which a page that is not served over TLS does not have. */
function withKey(request: HttpRequest): HttpRequest {
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  const key = [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
  return { ...request, headers: { ...request.headers, 'idempotency-key': key } };
}
