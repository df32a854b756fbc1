/**
 * A script decides what the model does turn by turn, so that a test or a demonstration is
 * repeatable. Turn n of a session answers its n-th user turn (spoken or typed); answers to function
 * outputs are not turns. When the script has run out, the rules of `session/reply.ts` apply.
 */
import { z } from 'zod';

const MAX_TURNS = 1_000;
const MAX_TEXT_LENGTH = 4_000;

const scriptTurn = z
  .strictObject({
    heard: z.string().max(MAX_TEXT_LENGTH).optional().describe('Transcript of what the user said.'),
    say: z.string().max(MAX_TEXT_LENGTH).optional().describe('Text spoken as beeps, or written.'),
    echo: z.boolean().optional().describe('Play the user their own voice.'),
    call: z
      .strictObject({
        name: z.string().min(1).max(200),
        arguments: z.record(z.string(), z.unknown()).default({}),
      })
      .optional()
      .describe('Call this function; refused in words when the session has no such tool.'),
    usage: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('Report this usage instead of what was counted.'),
    fail: z
      .strictObject({
        code: z.string().max(200),
        message: z.string().max(MAX_TEXT_LENGTH).default('The response failed.'),
        type: z.string().max(200).default('server_error'),
      })
      .optional()
      .describe('End the response with status `failed` and this error.'),
  })
  .describe('What the model does in one turn; an empty turn follows the usual rules.');
export type ScriptTurn = z.infer<typeof scriptTurn>;

export const script = z.array(scriptTurn).max(MAX_TURNS);
