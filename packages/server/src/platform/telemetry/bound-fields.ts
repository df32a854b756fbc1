import type { LogFields } from './telemetry.ts';

/**
 * Keeps log lines small and free of secrets: strings are cut, nesting and counts are limited, the
 * whole line has a budget, values under names such as `password` are masked, and credentials inside
 * texts (a URL, a driver's error message) are masked too.
 */
export const STRING_MAX_CHARS = 2_000;
export const LINE_MAX_CHARS = 16_000;
export const DEPTH_MAX = 5;
export const ENTRIES_MAX = 50;

const MASK = '***';
const SECRET_WORDS = 'password|secret|token|api[-_]?key|signature|connection[-_]?string|credential';
const SECRET_NAME = new RegExp(`^(authorization|(set-)?cookie|.*(${SECRET_WORDS}))$`, 'i');
// Counts of tokens are no secrets: `input_tokens` does not match, `token_count` neither.
const SECRET_TEXT = new RegExp(
  [
    String.raw`\b(?:ek|hf|sk|seam)[-_][A-Za-z0-9_-]{12,}`,
    // As a provider shows a key that it refuses: its ends, with signs in place of the rest.
    String.raw`\b(?:ek|hf|sk|seam)[-_][\w-]*(?:[*•…]|\.{3})[\w*•….-]*[\w*•…-]`,
    String.raw`(?<=\bBearer\s)[A-Za-z0-9._~+/=-]+`,
    String.raw`(?<=[?&;\s](?:api-key|key|token|code|sig|signature|access_token)=)[^&\s"';]+`,
    String.raw`(?<=\b(?:AccountKey|SharedAccessSignature|InstrumentationKey|Password)=)[^;\s"']+`,
    String.raw`(?<=:\/\/[^\s:/@]{0,64}:)[^\s@/]+(?=@)`,
  ].join('|'),
  'gi',
);

/** A copy that is safe to write. Never throws. */
export function boundFields(fields: LogFields): LogFields {
  const budget = { chars: LINE_MAX_CHARS };
  return boundEntries(Object.entries(fields), budget, 0);
}

/** One string: masked and cut. */
export function boundText(text: string, maxChars = STRING_MAX_CHARS): string {
  const masked = text.slice(0, maxChars * 2).replace(SECRET_TEXT, MASK);
  if (masked.length <= maxChars && text.length <= maxChars * 2) return masked;
  return `${masked.slice(0, maxChars)}…(${text.length} chars)`;
}

interface Budget {
  chars: number;
}

function boundEntries(
  entries: readonly (readonly [string, unknown])[],
  budget: Budget,
  depth: number,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of entries.slice(0, ENTRIES_MAX)) {
    const name = key.length > 64 ? `${key.slice(0, 64)}…` : key;
    budget.chars -= name.length;
    result[name] = SECRET_NAME.test(key) && value != null ? MASK : bound(value, budget, depth);
  }
  if (entries.length > ENTRIES_MAX) result['…'] = `${entries.length - ENTRIES_MAX} more`;
  return result;
}

function bound(value: unknown, budget: Budget, depth: number): unknown {
  if (budget.chars <= 0) return '…';
  if (typeof value === 'string') return spend(value, budget);
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (typeof value === 'function') return '[function]';
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '[deep]';
  try {
    return boundObject(value, budget, depth);
  } catch {
    return '[unreadable]';
  }
}

function boundObject(value: object, budget: Budget, depth: number): unknown {
  if (value instanceof Error) return boundEntries(errorEntries(value), budget, depth + 1);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) {
    const items = value.slice(0, ENTRIES_MAX).map(item => bound(item, budget, depth + 1));
    return value.length > ENTRIES_MAX ? [...items, `${value.length - ENTRIES_MAX} more`] : items;
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return bound(value.toJSON(), budget, depth + 1);
  }
  return boundEntries(Object.entries(value), budget, depth + 1);
}

function errorEntries(error: Error): [string, unknown][] {
  const { code, cause } = error as Error & { code?: unknown };
  const entries: [string, unknown][] = [
    ['type', error.name],
    ['message', error.message],
  ];
  if (code !== undefined) entries.push(['code', code]);
  if (error.stack) entries.push(['stack', error.stack]);
  if (cause !== undefined) entries.push(['cause', cause]);
  return entries;
}

function spend(text: string, budget: Budget): string {
  const kept = boundText(text, Math.max(16, Math.min(STRING_MAX_CHARS, budget.chars)));
  budget.chars -= kept.length;
  return kept;
}
