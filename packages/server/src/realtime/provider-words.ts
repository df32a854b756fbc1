/**
 * What a provider says where it refuses: its own code, message and time to retry, read from
 * whatever it answered, bounded, and without what callers must not see. Pure.
 *
 * Shapes: OpenAI's and Azure's error object (`{"error": {…}}`), an API gateway's bare `{"message"}`
 * (Azure API Management), problem details (RFC 9457), and a short plain text. A page of HTML says
 * nothing.
 */
import { boundText } from '../platform/telemetry/index.ts';
import { isObject, type Json } from './preview/session.ts';
import type { RefusedAnswer } from './relay/index.ts';

export interface ProviderWords {
  readonly status: number;
  readonly code: string | null;
  readonly message: string | null;
  /** The provider's name of the field at fault. */
  readonly param: string | null;
  readonly retryAfterS: number | null;
}

const MESSAGE_MAX_CHARS = 400;
const RETRY_AFTER_MAX_S = 24 * 3600;
const WORD = /^[\w.:-]{1,100}$/;

/** `secrets`: what must not be repeated, such as the credentials that were sent. */
export function readWords(
  answer: RefusedAnswer,
  secrets: readonly string[],
  nowMs: number,
): ProviderWords {
  const { status, headers, body } = answer;
  const said = errorIn(body);
  return {
    status,
    code: word(said.code),
    message: spoken(said.message ?? said.detail ?? said.title, secrets),
    param: word(said.param),
    retryAfterS: retryAfterOf(headers, nowMs),
  };
}

const MASK = '***';
const ACCOUNT = String.raw`\b(?:org|proj)[-_][A-Za-z0-9]{6,}`;
const PRIVATE_NET = String.raw`\b(?:10|127|192\.168|172\.(?:1[6-9]|2\d|3[01]))`;
/** Something secret of which only the ends are shown. */
const HALF_HIDDEN = String.raw`[\w-]*\*{4,}[\w*-]*`;
const HIDDEN = new RegExp(
  String.raw`${HALF_HIDDEN}|${ACCOUNT}|${PRIVATE_NET}(?:\.\d{1,3}){2,3}(?::\d+)?\b`,
  'g',
);

function errorIn(body: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    const isText = body.length <= MESSAGE_MAX_CHARS && !body.includes('<');
    return isText ? { message: body } : {};
  }
  if (!isObject(value)) return {};
  if (isObject(value.error)) return value.error;
  return typeof value.error === 'string' ? { ...value, message: value.error } : value;
}

function spoken(value: unknown, secrets: readonly string[]): string | null {
  if (typeof value !== 'string') return null;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what goes.
  const line = value.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  if (line === '') return null;
  let shown = line;
  for (const secret of secrets) if (secret.length >= 4) shown = shown.replaceAll(secret, MASK);
  return boundText(shown, MESSAGE_MAX_CHARS).replace(HIDDEN, MASK);
}

function word(value: unknown): string | null {
  const text = typeof value === 'number' ? String(value) : value;
  return typeof text === 'string' && WORD.test(text) ? text : null;
}

/** `retry-after-ms`, or Retry-After as seconds or as a date (RFC 9110 §10.2.3). */
function retryAfterOf(headers: RefusedAnswer['headers'], nowMs: number): number | null {
  const ms = Number.parseFloat(String(headers['retry-after-ms'] ?? ''));
  const given = headers['retry-after'] ?? '';
  const seconds = /^\d+$/.test(given) ? Number(given) : (Date.parse(given) - nowMs) / 1_000;
  const afterS = Number.isFinite(ms) ? ms / 1_000 : seconds;
  return Number.isFinite(afterS) && afterS >= 0 ? Math.min(afterS, RETRY_AFTER_MAX_S) : null;
}
