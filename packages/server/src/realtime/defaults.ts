import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { HoldfastError } from '../kernel/index.ts';
import type { Json } from './preview/session.ts';

/**
 * The operator's defaults for new sessions (`session-defaults.json`).
 *
 * Who gets them: sessions that are minted (`client_secrets`, the seeds' `POST /sessions`) and the
 * seeds' `/ws`, where the caller sets neither what the model should do (instructions, prompt) nor
 * with which tools. A caller that sets either gets exactly that, plus the voice and transcription
 * it left out. A provider-shaped WebSocket opened with a full credential gets no defaults: it
 * behaves as it would at the provider, so that foreign clients meet no tools they do not know.
 */
export const sessionDefaultsFile = z.strictObject({
  $schema: z.string().optional(),
  instructions: z.string().max(256_000).optional(),
  voice: z.string().min(1).max(100).optional(),
  transcription_model: z
    .string()
    .max(100)
    .nullable()
    .default(null)
    .describe("Transcribes the user's speech; null: no transcript of the user."),
  tools: z
    .array(
      z.strictObject({
        type: z.literal('function').default('function'),
        name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
        description: z.string().max(4000).optional(),
        parameters: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .max(128)
    .default([]),
});
export type SessionDefaults = z.infer<typeof sessionDefaultsFile>;

const color = {
  type: 'object',
  properties: { color: { type: 'string', description: 'A hex value of the color' } },
  required: ['color'],
};

/** The defaults when the operator gives none: the seed's. */
export const SEED_DEFAULTS: SessionDefaults = {
  instructions:
    'あなたはとても優秀なAIアシスタントです。会話内容に対して、非常にナチュラルな返事をします。',
  voice: 'alloy',
  transcription_model: 'gpt-4o-mini-transcribe',
  tools: [
    {
      type: 'function',
      name: 'changeBackgroundColor',
      description: 'Changes the background color of a web page',
      parameters: color,
    },
    {
      type: 'function',
      name: 'getPageHTML',
      description: 'Gets the HTML for the current page',
      parameters: { type: 'object', properties: {} },
    },
    {
      type: 'function',
      name: 'changeTextColor',
      description: 'Changes the text color of a web page',
      parameters: color,
    },
  ],
};

export async function loadSessionDefaults(path: string): Promise<SessionDefaults> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new HoldfastError(
      'invalid_request',
      `Cannot read the session defaults ${path} as JSON.`,
      {
        cause,
      },
    );
  }
  const result = sessionDefaultsFile.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`);
  throw new HoldfastError('invalid_request', `session-defaults.json: ${faults.join('; ')}.`);
}

/** `config` (GA shape) with what it leaves open filled in. */
export function withDefaults(config: Json, defaults: SessionDefaults): Json {
  const asked = ['instructions', 'prompt', 'tools'].some(key => config[key] !== undefined);
  const audio = (config.audio ?? {}) as Json;
  const input = (audio.input ?? {}) as Json;
  const output = (audio.output ?? {}) as Json;
  const transcription =
    input.transcription === undefined && defaults.transcription_model !== null
      ? { transcription: { model: defaults.transcription_model } }
      : {};
  const voice =
    output.voice === undefined && defaults.voice !== undefined ? { voice: defaults.voice } : {};
  return {
    type: 'realtime',
    ...(!asked && { instructions: defaults.instructions, tools: defaults.tools }),
    ...config,
    audio: { ...audio, input: { ...input, ...transcription }, output: { ...output, ...voice } },
  };
}
