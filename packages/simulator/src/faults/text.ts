import { z } from 'zod';
import { defineFault, ruleFields, triggerFields } from './fault.ts';

export const text = defineFault({
  description: 'Sends this text as an event, JSON or not, known type or not.',
  schema: z.strictObject({
    fault: z.literal('text'),
    ...ruleFields,
    ...triggerFields,
    text: z.string().max(1_000_000),
  }),
  onOpen(params, target) {
    target.when(params, () => target.sendText(params.text));
  },
});
