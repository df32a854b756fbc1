import { ERROR_CODES, type OpenaiError, type Problem } from '@holdfast/protocol';
import type { HoldfastError } from '../kernel/index.ts';
import { DETAIL_MAX_CHARS } from './limits.ts';
import type { ErrorShape } from './route.ts';

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** 5xx that stay until an operator acts; OpenAI's clients ask again after any other 5xx. */
const UNTIL_MENDED: ReadonlySet<HoldfastError['code']> = new Set(['upstream_rejected']);

/** The one place where an error becomes an HTTP answer, in whichever shape. */
export function errorAnswer(
  error: HoldfastError,
  shape: ErrorShape,
  requestId: string,
): ErrorAnswer {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  if (error.retryAfterS !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterS)));
  }
  if (UNTIL_MENDED.has(error.code)) headers['x-should-retry'] = 'false';
  if (error.status === 401) headers['www-authenticate'] = 'Bearer';
  headers['content-type'] =
    shape === 'problem'
      ? 'application/problem+json; charset=utf-8'
      : 'application/json; charset=utf-8';
  const body = BODIES[shape](error, requestId);
  return { status: error.status, headers, body: JSON.stringify(body) };
}

const BODIES: Readonly<Record<ErrorShape, (error: HoldfastError, requestId: string) => object>> = {
  problem: problemBody,
  openai: openaiErrorBody,
  anthropic: anthropicErrorBody,
  google: googleErrorBody,
};

/** RFC 9457; `error` repeats `detail` for clients of the older API. */
export function problemBody(error: HoldfastError, requestId: string): Problem {
  const detail = cut(error.detail);
  return {
    type: 'about:blank',
    title: ERROR_CODES[error.code].title,
    status: error.status,
    code: error.code,
    detail,
    error: detail,
    request_id: requestId,
    ...(error.field === undefined ? {} : { field: cut(error.field) }),
    ...(error.allowed === undefined ? {} : { allowed: [...error.allowed] }),
    ...(error.upstreamCode === undefined ? {} : { upstream_code: error.upstreamCode }),
  };
}

/** Codes that OpenAI's clients know under another name. Source: openai-openapi, error codes. */
const OPENAI_CODES: Partial<Record<HoldfastError['code'], string>> = {
  unauthenticated: 'invalid_api_key',
  unknown_model: 'model_not_found',
  rate_limited: 'rate_limit_exceeded',
  upstream_rate_limited: 'rate_limit_exceeded',
};

/** OpenAI's error object. */
export function openaiErrorBody(error: HoldfastError): OpenaiError {
  return {
    error: {
      message: messageOf(error),
      type: error.code === 'budget_exceeded' ? error.code : openaiType(error.status),
      code: error.upstreamCode ?? OPENAI_CODES[error.code] ?? error.code,
      param: error.field === undefined ? null : cut(error.field),
    },
  };
}

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
};

/** Anthropic's error object. Source: docs.anthropic.com, "Errors". */
function anthropicErrorBody(error: HoldfastError, requestId: string) {
  const usual = error.status < 500 ? 'invalid_request_error' : 'api_error';
  const type =
    error.code === 'budget_exceeded' ? error.code : (ANTHROPIC_TYPES[error.status] ?? usual);
  return { type: 'error', error: { type, message: messageOf(error) }, request_id: requestId };
}

const GOOGLE_STATUS: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

/** Google's error object (`google.rpc.Status`), with our code as its reason. */
function googleErrorBody(error: HoldfastError) {
  const usual = error.status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL';
  const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: error.code };
  return {
    error: {
      code: error.status,
      message: messageOf(error),
      status: GOOGLE_STATUS[error.status] ?? usual,
      details: [{ ...info, domain: 'holdfast' }],
    },
  };
}

/** The allowed values go into the message, because these objects have no field for them. */
function messageOf(error: HoldfastError): string {
  const allowed = error.allowed?.length ? ` Allowed: ${error.allowed.join(', ')}.` : '';
  return cut(error.detail + allowed);
}

function openaiType(status: number): string {
  if (status === 429) return 'rate_limit_error';
  if (status === 403) return 'permission_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

function cut(text: string): string {
  return text.length <= DETAIL_MAX_CHARS ? text : `${text.slice(0, DETAIL_MAX_CHARS)}…`;
}
