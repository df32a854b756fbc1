import { z } from 'zod';
import { defineFault, ruleFields, triggerFields } from './fault.ts';

export const stallReading = defineFault({
  description: 'Stops reading from the client, for a time or for good; TCP pushes back.',
  schema: z.strictObject({
    fault: z.literal('stall_reading'),
    ...ruleFields,
    ...triggerFields,
    for_ms: z.number().int().min(1).max(600_000).optional(),
  }),
  onOpen(params, target) {
    target.when(params, () => {
      target.pauseReading();
      if (params.for_ms !== undefined) target.after(params.for_ms, () => target.resumeReading());
    });
  },
});
