/**
 * Errors as a realtime client sees them: an `error` event, and a close code that may stand in a
 * close frame.
 */
import type { ErrorCode } from '@holdfast/protocol';
import { openaiErrorBody } from '../http/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import { errorEvent } from './relay/index.ts';

/** Close codes for failures before a session worked. 1013: the same may succeed later. */
const CLOSE_CODES: Partial<Record<ErrorCode, number>> = {
  upstream_rate_limited: 1013,
  session_limit: 1013,
  draining: 1012,
};

export function closeCodeOf(error: HoldfastError): number {
  return CLOSE_CODES[error.code] ?? 1011;
}

/** The same error object as over HTTP, in the event of the protocol. */
export function eventOf(error: HoldfastError): string {
  const { message, type, code, param } = openaiErrorBody(error).error;
  return errorEvent({ type, code: code ?? error.code, message, param });
}

/** What an upstream's HTTP status means to our caller. Its own text stays in the log. */
export function upstreamStatusError(status: number, cause: unknown): HoldfastError {
  if (status === 401 || status === 403) {
    return new HoldfastError('upstream_rejected', 'The model refused our credentials.', { cause });
  }
  if (status === 429) {
    return new HoldfastError('upstream_rate_limited', 'The model is rate limited. Try later.', {
      cause,
      retryAfterS: 5,
    });
  }
  if (status === 408 || status === 504) return upstreamTimeout(cause);
  return new HoldfastError('upstream_error', 'The model failed.', { cause });
}

/** The cause of an error that came from an upstream, with only what may be logged. */
export class UpstreamFault extends Error {
  override readonly name: string = 'UpstreamFault';
  /** The upstream's id of our request; for our log only. */
  readonly requestId: string | undefined;

  constructor(message: string, requestId?: string) {
    super(requestId === undefined ? message : `${message}, request ${requestId}`);
    this.requestId = requestId;
  }
}

/** The log's fields for a connection or call that failed. */
export function failureFields(error: HoldfastError): Record<string, unknown> {
  const { code, cause } = error;
  const requestId = cause instanceof UpstreamFault ? cause.requestId : undefined;
  return {
    code,
    error: cause,
    ...(requestId !== undefined && { upstream_request_id: requestId }),
  };
}

export function upstreamTimeout(cause: unknown): HoldfastError {
  return new HoldfastError('upstream_timeout', 'The model did not answer in time.', { cause });
}

export function upstreamUnreachable(cause: unknown): HoldfastError {
  return new HoldfastError('upstream_unreachable', 'The model cannot be reached.', { cause });
}
