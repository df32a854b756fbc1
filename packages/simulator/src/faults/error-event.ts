import { z } from 'zod';
import { defineFault, ruleFields, triggerFields } from './fault.ts';

export const errorEvent = defineFault({
  description: 'Sends an `error` event that no client event caused; by default a rate limit.',
  schema: z.strictObject({
    fault: z.literal('error_event'),
    ...ruleFields,
    ...triggerFields,
    type: z.string().max(200).default('requests'),
    code: z.string().max(200).default('rate_limit_exceeded'),
    message: z.string().max(1_000).default('Rate limit reached.'),
  }),
  onOpen(params, target) {
    const { type, code, message } = params;
    target.when(params, () => target.session.fail({ type, code, message }));
  },
});
