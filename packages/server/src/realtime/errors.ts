/**
 * Errors as a realtime client sees them: an `error` event, and a close code that may stand in a
 * close frame.
 *
 * An upstream is dialled after the client's handshake was answered, and what it says is told inside
 * of the WebSocket, as OpenAI itself does (docs/adr/0015): a browser cannot read a refused upgrade,
 * and the stock clients do not. The close code then tells whether connecting again may help.
 */
import type { ErrorCode } from '@holdfast/protocol';
import { openaiErrorBody } from '../http/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import { type ProviderWords, readWords } from './provider-words.ts';
import { errorEvent, type RefusedAnswer } from './relay/index.ts';

/** Nothing changes until somebody mends something. OpenAI's own code for it; not retried. */
const PERMANENT = 4000;
/**
 * Close codes for failures before a session worked. 1013: the same may succeed later; 1008: it will
 * not, and clients that connect again by themselves do not after it.
 */
const CLOSE_CODES: Partial<Record<ErrorCode, number>> = {
  invalid_request: 1008,
  unknown_model: 1008,
  forbidden: 1008,
  gone: 1008,
  budget_exceeded: 1008,
  upstream_refused: PERMANENT,
  upstream_rejected: PERMANENT,
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
  const { retryAfterS } = error;
  return errorEvent({ type, code: code ?? error.code, message, param, retryAfterS });
}

/** Where a provider says no time, the time after which a rate limit may be over. */
const RATE_LIMIT_RETRY_S = 5;
/** 429 also means that an account is used up, which no waiting changes. */
const USED_UP = /quota|billing|insufficient|hard_limit/i;
/** In an `error` event OpenAI says no status; the message quotes a part of the key. */
export const REFUSED_KEY = 'invalid_api_key';
/** Codes of a 403 that is about who we are, not about what was asked for. */
const ABOUT_CREDENTIALS = /key|auth|credential|token|permission|^40[13]$/i;

/** A provider's refusal, and what to keep out of its words: see `readWords`. */
export interface Refused {
  readonly what: string;
  readonly answer: RefusedAnswer;
  readonly secrets: readonly string[];
  /** The provider's id of the request, for the log. */
  readonly requestId?: string | undefined;
  /** The caller's own words were sent, so that a 400 is about them. */
  readonly isCallers?: boolean;
}

/** What an upstream's refusal means to our caller, as far as may be in the provider's words. */
export function refusalError(refused: Refused): HoldfastError {
  const { what, answer, secrets, requestId, isCallers = false } = refused;
  const words = readWords(answer, secrets, Date.now());
  const cause = new UpstreamFault(`${what} answered ${answer.status}`, { requestId, words });
  const kind = kindOf(words, isCallers);
  const retryAfterS =
    kind === 'upstream_rate_limited'
      ? (words.retryAfterS ?? RATE_LIMIT_RETRY_S)
      : words.retryAfterS;
  const isCode = kind !== 'upstream_rejected' && words.code !== null;
  return new HoldfastError(kind, detailOf(kind, words), {
    cause,
    ...(isCode && { upstreamCode: words.code }),
    ...(kind === 'invalid_request' && words.param !== null && { field: words.param }),
    ...(retryAfterS !== null && kind !== 'upstream_refused' && { retryAfterS }),
  });
}

type RefusalKind = keyof typeof TEXTS;

const TEXTS = {
  invalid_request: 'The model refused the request',
  upstream_refused: 'The model refused the request',
  upstream_rejected: 'The model refused our credentials',
  upstream_rate_limited: 'The model is rate limited',
  upstream_timeout: 'The model did not answer in time',
  upstream_error: 'The model failed',
};

function kindOf(words: ProviderWords, isCallers: boolean): RefusalKind {
  const { status } = words;
  const code = words.code ?? '';
  if (status === 401 || code === REFUSED_KEY) return 'upstream_rejected';
  if (status === 403 && (code === '' || ABOUT_CREDENTIALS.test(code))) return 'upstream_rejected';
  if (status === 429) return USED_UP.test(code) ? 'upstream_refused' : 'upstream_rate_limited';
  if (status === 408 || status === 504) return 'upstream_timeout';
  if (status >= 500 || status < 400) return 'upstream_error';
  return isCallers && (status === 400 || status === 422) ? 'invalid_request' : 'upstream_refused';
}

function detailOf(kind: RefusalKind, words: ProviderWords): string {
  const { retryAfterS } = words;
  // Of refused credentials, which are not the caller's, some providers quote a part; and the code
  // would read as if the caller's own were meant. Both are for the log.
  const isOurs = kind === 'upstream_rejected';
  const { message, code } = isOurs ? { message: null, code: null } : words;
  const ending = code === null ? '' : ` (${code})`;
  const said =
    message === null ? `${TEXTS[kind]}${ending}.` : `${TEXTS[kind]}: ${message}${ending}`;
  if (retryAfterS === null || kind === 'upstream_refused') return said;
  return `${said} Try again in ${Math.max(1, Math.ceil(retryAfterS))} s.`;
}

/** The cause of an error that came from an upstream, with only what may be logged. */
export class UpstreamFault extends Error {
  override readonly name: string = 'UpstreamFault';
  /** The upstream's id of our request; for our log only. */
  readonly requestId: string | undefined;
  /** What a provider that answered has said. */
  readonly words: ProviderWords | undefined;

  constructor(
    message: string,
    facts: { requestId?: string | undefined; words?: ProviderWords; cause?: unknown } = {},
  ) {
    const { requestId, words, cause } = facts;
    super(requestId === undefined ? message : `${message}, request ${requestId}`, { cause });
    this.requestId = requestId;
    this.words = words;
  }
}

/** The log's fields for a connection or call that failed. */
export function failureFields(error: HoldfastError): Record<string, unknown> {
  const { code, cause } = error;
  return { code, error: cause, ...(cause instanceof UpstreamFault && faultFields(cause)) };
}

function faultFields({ requestId, words }: UpstreamFault): Record<string, unknown> {
  return {
    ...(requestId !== undefined && { upstream_request_id: requestId }),
    ...(words !== undefined && {
      upstream_status: words.status,
      upstream_code: words.code,
      upstream_message: words.message,
      upstream_retry_after_s: words.retryAfterS,
    }),
  };
}

export function upstreamTimeout(cause: unknown): HoldfastError {
  return new HoldfastError('upstream_timeout', 'The model did not answer in time.', { cause });
}

export function upstreamUnreachable(cause: unknown): HoldfastError {
  return new HoldfastError('upstream_unreachable', 'The model cannot be reached.', { cause });
}
