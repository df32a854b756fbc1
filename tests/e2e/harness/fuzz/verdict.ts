/** Judges one answer by itself: status, shape of errors, and no internals in its text. */
import { openaiError, problem } from '@holdfast/protocol';
import { z } from 'zod';
import type { FuzzAnswer } from './client.ts';
import type { FuzzRequest } from './requests.ts';

/** Routes on which the model is asked before the answer. */
const ASKS_UPSTREAM = /\/calls(\/:id\/\w+)?$|^POST .*\/realtime\/?$|^POST \/model\//;
const UPSTREAM_CODES = new Set([
  'upstream_unreachable',
  'upstream_rejected',
  'upstream_error',
  'upstream_timeout',
]);

/** Stacks, paths, modules, SQL and its errors, addresses. */
const INTERNALS = [
  /\n\s+at /,
  /node_modules|node:internal|packages\/|\.ts\b/,
  /\/(tmp|home|root|usr|work|app)\//,
  /\b(select|insert into|update|delete from)\b[^"]*\b(from|values|set|where)\b/i,
  /syntax error|constraint|relation "|column "|invalid byte|pg_|SQLSTATE|22P0|23505/i,
  /ECONN|ENOENT|EACCES|ETIMEDOUT|ERR_|TypeError|RangeError/,
  /undefined is not (a function|an object|iterable)|Cannot read propert/,
];

/** What is wrong with the answer; undefined: nothing. */
export function faultIn(request: FuzzRequest, answer: FuzzAnswer): string | undefined {
  const { status, headers, body } = answer;
  // A long body may be refused while it is still being sent; then the answer can get lost.
  const isLong = request.body !== undefined && request.body.length > 256 * 1024;
  if (status === 0) return request.raw || isLong ? undefined : 'no answer';
  if (status === 408 && !request.raw) return 'a complete request was waited for';
  if (headers['x-injected'] !== undefined) return 'a header was injected';
  if (status < 400) return undefined;
  if (request.method !== 'HEAD' && body === '') return 'an error without a body';
  // Ids are random and may hold any digits.
  const words = body.replaceAll(/\b[a-z]{3}_[0-9a-f]{32}\b/g, '');
  const internal = INTERNALS.find(pattern => pattern.test(words));
  if (internal) return `something internal: ${internal}`;
  if (headers['x-request-id'] === undefined) return 'no x-request-id';
  if (headers['cache-control'] === undefined) return 'an error that could be cached';
  const needed = NEEDED[status];
  if (needed !== undefined && headers[needed] === undefined) return `no ${needed}`;
  if (request.method === 'HEAD') return status >= 500 ? 'a failure' : undefined;
  const code = codeOf(answer);
  if (code === undefined) return 'neither a problem nor a provider’s error';
  const excused = ASKS_UPSTREAM.test(request.route) && UPSTREAM_CODES.has(code);
  return status >= 500 && !excused ? `a failure: ${code}` : undefined;
}

const NEEDED: Readonly<Record<number, string>> = {
  401: 'www-authenticate',
  405: 'allow',
  426: 'upgrade',
  429: 'retry-after',
};

/** OpenAI's, Anthropic's or Google's; the model gateway hands theirs through too. */
const providerError = z.union([
  openaiError.strict(),
  z.strictObject({
    type: z.literal('error'),
    error: z.strictObject({ type: z.string(), message: z.string(), code: z.never().optional() }),
    request_id: z.string().optional(),
  }),
  z.strictObject({
    error: z.strictObject({
      code: z.number(),
      message: z.string(),
      status: z.string(),
      details: z.array(z.unknown()).optional(),
    }),
  }),
]);

/** The error's code, where the body has exactly one of the shapes. */
function codeOf({ status, headers, body }: FuzzAnswer): string | undefined {
  const type = String(headers['content-type']);
  try {
    const value: unknown = JSON.parse(body);
    if (type.startsWith('application/problem+json')) {
      const parsed = problem.strict().parse(value);
      return parsed.status === status ? parsed.code : undefined;
    }
    if (!type.startsWith('application/json')) return undefined;
    const { error } = providerError.parse(value);
    return String(error.code ?? ('status' in error ? error.status : error.type));
  } catch {
    return undefined;
  }
}
