import { z } from 'zod';

/**
 * The error codes of the HTTP API and of our own WebSocket `error` events, each with its HTTP
 * status and a fixed title. Clients branch on `code`; `detail` is prose for people.
 */
export const ERROR_CODES = {
  invalid_request: { status: 400, title: 'Invalid request' },
  unknown_model: { status: 400, title: 'Unknown model' },
  unauthenticated: { status: 401, title: 'Not authenticated' },
  forbidden: { status: 403, title: 'Not allowed' },
  budget_exceeded: { status: 403, title: 'Over budget' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  not_acceptable: { status: 406, title: 'Not acceptable' },
  conflict: { status: 409, title: 'Conflict' },
  gone: { status: 410, title: 'Gone' },
  payload_too_large: { status: 413, title: 'Too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  range_not_satisfiable: { status: 416, title: 'Range not satisfiable' },
  unprocessable: { status: 422, title: 'Cannot be processed' },
  upgrade_required: { status: 426, title: 'WebSocket upgrade required' },
  rate_limited: { status: 429, title: 'Too many requests' },
  session_limit: { status: 429, title: 'Too many active sessions' },
  upstream_refused: { status: 424, title: 'The model refused the request' },
  upstream_rate_limited: { status: 429, title: 'The model is rate limited' },
  internal: { status: 500, title: 'Internal error' },
  upstream_unreachable: { status: 502, title: 'The model cannot be reached' },
  upstream_rejected: { status: 502, title: 'The model refused our credentials' },
  upstream_error: { status: 503, title: 'The model failed' },
  draining: { status: 503, title: 'The server is shutting down' },
  unavailable: { status: 503, title: 'A dependency is unavailable' },
  upstream_timeout: { status: 504, title: 'The model did not answer' },
  storage_full: { status: 507, title: 'Storage is full' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

export const errorCode = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]);

/** `application/problem+json` (RFC 9457) of native routes; `error` repeats `detail`. */
export const problem = z.object({
  type: z.string().describe('`about:blank`; `code` names what happened.'),
  title: z.string(),
  status: z.number().int(),
  code: errorCode,
  detail: z.string(),
  error: z.string().describe('The same as `detail`, for clients of the older API.'),
  request_id: z.string(),
  field: z.string().optional(),
  allowed: z.array(z.string()).optional(),
  upstream_code: z.string().optional().describe("The model provider's own code."),
});
export type Problem = z.infer<typeof problem>;

/** OpenAI's error object, answered by the provider-shaped routes. */
export const openaiError = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    code: z.string().nullable(),
    param: z.string().nullable(),
  }),
});
export type OpenaiError = z.infer<typeof openaiError>;
