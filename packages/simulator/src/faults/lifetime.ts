import { z } from 'zod';
import { defineFault, ruleFields } from './fault.ts';

export const lifetime = defineFault({
  description: 'Gives the session a lifetime of its own; it shows in `expires_at`.',
  schema: z.strictObject({
    fault: z.literal('lifetime'),
    ...ruleFields,
    lifetime_ms: z.number().int().min(1).max(86_400_000),
  }),
  shape: ({ lifetime_ms }, behaviour) => ({ ...behaviour, sessionLifetimeMs: lifetime_ms }),
});
