import { z } from 'zod';
import { defineFault, ruleFields } from './fault.ts';

export const delayFirstEvent = defineFault({
  description: 'Opens at once but sends `session.created` late.',
  schema: z.strictObject({
    fault: z.literal('delay_first_event'),
    ...ruleFields,
    delay_ms: z.number().int().min(0).max(600_000),
  }),
  shape: ({ delay_ms }, behaviour) => ({ ...behaviour, firstEventDelayMs: delay_ms }),
});
