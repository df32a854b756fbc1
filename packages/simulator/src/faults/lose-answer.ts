import { z } from 'zod';
import { defineFault, ruleFields } from './fault.ts';

export const loseAnswer = defineFault({
  description: 'Does what an HTTP request asks and cuts the connection instead of answering.',
  schema: z.strictObject({
    fault: z.literal('lose_answer'),
    ...ruleFields,
    after_ms: z.number().int().min(0).max(600_000).default(0),
  }),
  onRequest({ after_ms }, request) {
    request.loseAnswer?.(after_ms);
    return false;
  },
});
