import { ERROR_CODES, type OpenaiError, type Problem } from '@holdfast/protocol';
import type { HoldfastError } from '../kernel/index.ts';
import { DETAIL_MAX_CHARS } from './limits.ts';

export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** The one place where an error becomes an HTTP answer, in either shape. */
export function errorAnswer(
  error: HoldfastError,
  shape: 'problem' | 'openai',
  requestId: string,
): ErrorAnswer {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  if (error.retryAfterS !== undefined) {
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterS)));
  }
  if (error.status === 401) headers['www-authenticate'] = 'Bearer';
  const openai = shape === 'openai';
  headers['content-type'] = openai
    ? 'application/json; charset=utf-8'
    : 'application/problem+json; charset=utf-8';
  const body = openai ? openaiErrorBody(error) : problemBody(error, requestId);
  return { status: error.status, headers, body: JSON.stringify(body) };
}

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
  };
}

/** Codes that OpenAI's clients know under another name. Source: openai-openapi, error codes. */
const OPENAI_CODES: Partial<Record<HoldfastError['code'], string>> = {
  unauthenticated: 'invalid_api_key',
  unknown_model: 'model_not_found',
  rate_limited: 'rate_limit_exceeded',
  upstream_rate_limited: 'rate_limit_exceeded',
};

/** OpenAI's error object; what it has no field for is said in the message. */
export function openaiErrorBody(error: HoldfastError): OpenaiError {
  const allowed = error.allowed?.length ? ` Allowed: ${error.allowed.join(', ')}.` : '';
  return {
    error: {
      message: cut(error.detail + allowed),
      type: openaiType(error.status),
      code: OPENAI_CODES[error.code] ?? error.code,
      param: error.field === undefined ? null : cut(error.field),
    },
  };
}

function openaiType(status: number): string {
  if (status === 429) return 'rate_limit_error';
  if (status === 403) return 'permission_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

function cut(text: string): string {
  return text.length <= DETAIL_MAX_CHARS ? text : `${text.slice(0, DETAIL_MAX_CHARS)}…`;
}
