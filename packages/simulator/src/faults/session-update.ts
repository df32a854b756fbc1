import { z } from 'zod';
import { defineFault, ruleFields } from './fault.ts';

export const sessionUpdate = defineFault({
  description:
    'Refuses each `session.update`, never answers it (`ignore`), or says that it took it and did ' +
    'not (`forget`). Without `names_event` a refusal does not say which event it answers.',
  schema: z.strictObject({
    fault: z.literal('session_update'),
    ...ruleFields,
    how: z.enum(['refuse', 'ignore', 'forget']).default('refuse'),
    code: z.string().max(200).default('invalid_value'),
    message: z.string().max(1_000).default('This session cannot be configured so.'),
    names_event: z.boolean().default(true),
  }),
  onOpen({ how, code, message, names_event }, { session }) {
    session.updateAnswer = { how, code, message, namesEvent: names_event };
  },
});
