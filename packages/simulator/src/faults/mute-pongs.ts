import { z } from 'zod';
import { defineFault, ruleFields, triggerFields } from './fault.ts';

export const mutePongs = defineFault({
  description: 'Stops answering pings.',
  schema: z.strictObject({ fault: z.literal('mute_pongs'), ...ruleFields, ...triggerFields }),
  onOpen(params, target) {
    target.when(params, () => target.mutePongs());
  },
});
