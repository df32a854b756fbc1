import { z } from 'zod';
import { defineFault, ruleFields } from './fault.ts';

const DEFAULTS: Record<number, { type: string; code: string | null; message: string }> = {
  401: {
    type: 'invalid_request_error',
    code: 'invalid_api_key',
    message: 'Incorrect API key provided.',
  },
  429: { type: 'requests', code: 'rate_limit_exceeded', message: 'Rate limit reached.' },
  503: { type: 'server_error', code: 'service_unavailable', message: 'The engine is overloaded.' },
};
const SERVER_ERROR = { type: 'server_error', code: null, message: 'The server had an error.' };

export const refuse = defineFault({
  description: 'Answers with an HTTP error instead of the upgrade or the result.',
  schema: z.strictObject({
    fault: z.literal('refuse'),
    ...ruleFields,
    status: z.number().int().min(400).max(599),
    type: z.string().max(200).optional(),
    code: z.string().max(200).optional(),
    message: z.string().max(1_000).optional(),
    param: z.string().max(200).optional(),
    /** In place of the error object, as it is: other providers and proxies have other shapes. */
    body: z.string().max(100_000).optional(),
    retry_after_s: z.number().int().min(0).max(86_400).optional(),
  }),
  onRequest({ status, type, code, message, param, body, retry_after_s }, request) {
    const usual = DEFAULTS[status] ?? SERVER_ERROR;
    request.refuse({
      status,
      type: type ?? usual.type,
      code: code ?? usual.code,
      message: message ?? usual.message,
      ...(param === undefined ? {} : { param }),
      ...(body === undefined ? {} : { body }),
      ...(retry_after_s === undefined ? {} : { headers: { 'retry-after': `${retry_after_s}` } }),
    });
    return true;
  },
});
