import type { ErrorCode } from '@holdfast/protocol';

/** The code of a failed call: the server's, or one of the two that only a client can observe. */
export type ApiErrorCode = ErrorCode | 'network' | 'timeout';

export interface ApiErrorFacts {
  code: ApiErrorCode;
  /** The HTTP status; 0 where no answer came. */
  status: number;
  detail: string;
  /** What an operator needs to find the request in the log; null where no answer came. */
  requestId: string | null;
  field?: string | undefined;
  allowed?: readonly string[] | undefined;
  retryAfterMs?: number | undefined;
  cause?: unknown;
}

/** Every failure of a call to the server. Branch on `code`; `message` is prose for people. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;
  readonly status: number;
  readonly requestId: string | null;
  readonly field: string | undefined;
  readonly allowed: readonly string[] | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(facts: ApiErrorFacts) {
    super(facts.detail, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = facts.code;
    this.status = facts.status;
    this.requestId = facts.requestId;
    this.field = facts.field;
    this.allowed = facts.allowed;
    this.retryAfterMs = facts.retryAfterMs;
  }

  /** Whether the same request may succeed later without a change. */
  get transient(): boolean {
    return TRANSIENT_STATUSES.has(this.status);
  }
}

const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([0, 408, 425, 429, 500, 502, 503, 504]);

const CODE_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  406: 'not_acceptable',
  409: 'conflict',
  410: 'gone',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  416: 'range_not_satisfiable',
  422: 'unprocessable',
  426: 'upgrade_required',
  429: 'rate_limited',
  502: 'upstream_unreachable',
  503: 'unavailable',
  504: 'upstream_timeout',
  507: 'storage_full',
};

const DETAIL_MAX_CHARS = 2000;

export interface FailedAnswer {
  status: number;
  body: string;
  /** Looks up a response header, without regard to case. */
  header(name: string): string | null;
}

/**
 * Reads a failed answer in any shape a server or a proxy before it may give: problem+json, OpenAI's
 * error object, or something that is neither.
 */
export function errorFromAnswer(answer: FailedAnswer): ApiError {
  const { status, body } = answer;
  const parsed = parseObject(body);
  const openai = isObject(parsed.error) ? parsed.error : {};
  const code =
    text(parsed.code) ?? text(openai.code) ?? CODE_BY_STATUS[status] ?? fallbackCode(status);
  const detail =
    text(parsed.detail) ?? text(openai.message) ?? text(parsed.error) ?? `HTTP status ${status}.`;
  return new ApiError({
    code: code as ApiErrorCode,
    status,
    detail: detail.slice(0, DETAIL_MAX_CHARS),
    requestId: text(parsed.request_id) ?? answer.header('x-request-id'),
    field: text(parsed.field) ?? text(openai.param),
    allowed: Array.isArray(parsed.allowed) ? parsed.allowed.map(String) : undefined,
    retryAfterMs: retryAfter(answer.header('retry-after')),
  });
}

/** No answer came: the server is away, the network is, or the wait was over. */
export function networkError(cause: unknown): ApiError {
  const timedOut = cause instanceof DOMException && cause.name === 'TimeoutError';
  return new ApiError({
    code: timedOut ? 'timeout' : 'network',
    status: 0,
    detail: timedOut ? 'The server did not answer in time.' : 'The server cannot be reached.',
    requestId: null,
    cause,
  });
}

function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

function fallbackCode(status: number): ErrorCode {
  return status >= 500 ? 'internal' : 'invalid_request';
}

function parseObject(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
