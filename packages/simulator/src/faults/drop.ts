import { z } from 'zod';
import { defineFault, ruleFields, triggerFields } from './fault.ts';

export const drop = defineFault({
  description: 'Resets the TCP connection of an open session, without a close frame.',
  schema: z.strictObject({ fault: z.literal('drop'), ...ruleFields, ...triggerFields }),
  onOpen(params, target) {
    target.when(params, () => target.reset());
  },
});
