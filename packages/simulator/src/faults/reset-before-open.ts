import { z } from 'zod';
import { defineFault, ruleFields } from './fault.ts';

export const resetBeforeOpen = defineFault({
  description: 'Resets the TCP connection instead of answering.',
  schema: z.strictObject({ fault: z.literal('reset_before_open'), ...ruleFields }),
  onRequest(_params, request) {
    request.socket.resetAndDestroy();
    return true;
  },
});
