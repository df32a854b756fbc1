import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { HoldfastError } from '../kernel/index.ts';
import { isObject, type Json } from './preview/session.ts';

/**
 * Defaults for new sessions: the operator's file (`session-defaults.json`), and what the seeds had
 * built in. Who gets them is the rule of `opening-config.ts`.
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

/** What the seeds' routes have where the operator gives no file. */
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

/**
 * `config` (GA shape) with what it leaves open and `defaults` name filled in. Instructions and
 * tools belong together: who sets either, or a prompt, gets neither.
 */
export function withDefaults(config: Json, defaults: SessionDefaults | null): Json {
  if (defaults === null) return { type: 'realtime', ...config };
  const { instructions, tools, voice, transcription_model } = defaults;
  const asked = ['instructions', 'prompt', 'tools'].some(key => config[key] !== undefined);
  const audio = {
    ...(transcription_model !== null && {
      input: { transcription: { model: transcription_model } },
    }),
    ...(voice !== undefined && { output: { voice } }),
  };
  const base = {
    type: 'realtime',
    ...(!asked && instructions !== undefined && { instructions }),
    ...(!asked && tools.length > 0 && { tools }),
    ...(Object.keys(audio).length > 0 && { audio }),
  };
  return mergeSession(base, config);
}

/** `base` with each field of `over` in its place; in `audio.input` and `audio.output` likewise. */
export function mergeSession(base: Json, over: Json): Json {
  const merged = { ...base, ...over };
  if (!isObject(base.audio) || !isObject(over.audio)) return merged;
  const audio: Json = { ...base.audio, ...over.audio };
  for (const side of ['input', 'output']) {
    const [under, upper] = [base.audio[side], over.audio[side]];
    if (isObject(under) && isObject(upper)) audio[side] = { ...under, ...upper };
  }
  return { ...merged, audio };
}
