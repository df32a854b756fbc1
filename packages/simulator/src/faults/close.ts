import { z } from 'zod';
import { defineFault, ruleFields, triggerFields } from './fault.ts';
import { closeFrame } from './frames.ts';

const MAX_REASON_BYTES = 123;

/** Whether a library would agree to send this code. RFC 6455 §7.4. */
function isLegal(code: number): boolean {
  const standard = code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code);
  return standard || (code >= 3000 && code <= 4999);
}

export const close = defineFault({
  description: 'Closes with a code; also with one that must not be sent (0, 999, 1005, 1006 …).',
  schema: z.strictObject({
    fault: z.literal('close'),
    ...ruleFields,
    ...triggerFields,
    code: z.number().int().min(0).max(65_535).default(1011),
    reason: z
      .string()
      .refine(text => Buffer.byteLength(text) <= MAX_REASON_BYTES, 'at most 123 bytes')
      .default(''),
  }),
  onOpen(params, target) {
    target.when(params, () => {
      if (isLegal(params.code)) target.close(params.code, params.reason);
      else target.sendRaw(closeFrame(params.code, params.reason));
    });
  },
});
