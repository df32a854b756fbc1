import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { defineFault, ruleFields } from './fault.ts';

export const delayOpen = defineFault({
  description: 'Answers the request late.',
  schema: z.strictObject({
    fault: z.literal('delay_open'),
    ...ruleFields,
    delay_ms: z.number().int().min(0).max(600_000),
  }),
  async onRequest({ delay_ms }, request) {
    await wait(delay_ms, undefined, { ref: false });
    return request.socket.destroyed;
  },
});
