import { z } from 'zod';
import { defineFault, ruleFields, triggerFields } from './fault.ts';

export const expire = defineFault({
  description: 'Expires the session now: `session_expired`, then close 1001.',
  schema: z.strictObject({ fault: z.literal('expire'), ...ruleFields, ...triggerFields }),
  onOpen(params, target) {
    target.when(params, () => target.session.expire());
  },
});
