/**
 * A session's configuration: what the client may set, its defaults, and the rules of changing it.
 * Only fields present in an update change. `model` never changes; `voice` not once the session has
 * spoken. Source: openai/openai-openapi, `RealtimeSessionCreateRequestGA`.
 */
import { z } from 'zod';
import type { FormatName } from '../audio/format.ts';
import { SAMPLE_RATE } from '../audio/pcm.ts';
import { toProtocolError } from './client-events.ts';
import { ProtocolError } from './errors.ts';

const MAX_INSTRUCTIONS_LENGTH = 1_000_000;
const DEFAULT_INSTRUCTIONS = 'You are a simulated model. You answer with the words you heard.';
const DEFAULT_VOICE = 'alloy';

const format = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('audio/pcm'), rate: z.literal(SAMPLE_RATE).default(24_000) }),
  z.strictObject({ type: z.literal('audio/pcmu') }),
  z.strictObject({ type: z.literal('audio/pcma') }),
]);

const serverVad = z.strictObject({
  type: z.literal('server_vad'),
  threshold: z.number().min(0).max(1).default(0.5),
  prefix_padding_ms: z.number().int().min(0).max(5_000).default(300),
  silence_duration_ms: z.number().int().min(0).max(10_000).default(500),
  idle_timeout_ms: z.number().int().min(5_000).max(30_000).nullable().default(null),
  create_response: z.boolean().default(true),
  interrupt_response: z.boolean().default(true),
});

const semanticVad = z.strictObject({
  type: z.literal('semantic_vad'),
  eagerness: z.enum(['low', 'medium', 'high', 'auto']).default('auto'),
  create_response: z.boolean().default(true),
  interrupt_response: z.boolean().default(true),
});

const turnDetection = z.discriminatedUnion('type', [serverVad, semanticVad]);
export type TurnDetection = z.infer<typeof turnDetection>;

const transcription = z.strictObject({
  model: z.string().max(200).optional(),
  language: z.string().max(20).optional(),
  languages: z.array(z.string().max(20)).max(20).optional(),
  prompt: z.string().max(10_000).optional(),
  keywords: z.array(z.string().max(200)).max(1_000).optional(),
  delay: z.enum(['minimal', 'low', 'medium', 'high', 'xhigh']).optional(),
});

export const noiseReduction = z.strictObject({
  type: z.enum(['near_field', 'far_field']),
  strength: z.number().optional(),
});

const voice = z.union([z.string().min(1).max(100), z.strictObject({ id: z.string().min(1) })]);

const tool = z
  .looseObject({
    type: z.enum(['function', 'mcp']),
    name: z.string().max(200).optional(),
    description: z.string().max(100_000).optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
  })
  .refine(value => value.type !== 'function' || value.name, 'a function needs a name');
export type Tool = z.infer<typeof tool>;

const audioInput = z.strictObject({
  format: format.optional(),
  transcription: transcription.nullish(),
  noise_reduction: noiseReduction.nullish(),
  turn_detection: turnDetection.nullish(),
});

const audioOutput = z.strictObject({
  format: format.optional(),
  voice: voice.optional(),
  speed: z.number().min(0.25).max(1.5).optional(),
});

/** What `session.update`, `client_secrets` and `calls` take as `session`. */
const sessionRequest = z.strictObject({
  type: z.literal('realtime'),
  object: z.string().optional(),
  id: z.string().optional(),
  model: z.string().min(1).max(200).optional(),
  instructions: z.string().max(MAX_INSTRUCTIONS_LENGTH).optional(),
  output_modalities: z
    .array(z.enum(['text', 'audio']))
    .length(1)
    .optional(),
  tools: z.array(tool).max(128).optional(),
  tool_choice: z
    .union([
      z.enum(['auto', 'none', 'required']),
      z.looseObject({ type: z.enum(['function', 'mcp']) }),
    ])
    .optional(),
  parallel_tool_calls: z.boolean().optional(),
  max_output_tokens: z.union([z.number().int().min(1).max(4_096), z.literal('inf')]).optional(),
  truncation: z
    .union([z.enum(['auto', 'disabled']), z.looseObject({ type: z.literal('retention_ratio') })])
    .optional(),
  tracing: z.union([z.literal('auto'), z.looseObject({})]).nullish(),
  prompt: z.looseObject({ id: z.string() }).nullish(),
  reasoning: z.looseObject({}).nullish(),
  include: z.array(z.string().max(100)).max(10).nullish(),
  audio: z
    .strictObject({ input: audioInput.optional(), output: audioOutput.optional() })
    .optional(),
});

/** The same for a session that only transcribes. */
const transcriptionRequest = z.strictObject({
  type: z.literal('transcription'),
  object: z.string().optional(),
  id: z.string().optional(),
  include: z.array(z.string().max(100)).max(10).nullish(),
  audio: z.strictObject({ input: audioInput.optional() }).optional(),
});
export type SessionRequest = Omit<z.infer<typeof sessionRequest>, 'type'> & {
  type: 'realtime' | 'transcription';
};

/** The effective configuration, as `session.created` and `session.updated` show it. */
export interface SessionConfig {
  type: 'realtime' | 'transcription';
  object: 'realtime.session' | 'realtime.transcription_session';
  id: string;
  model: string;
  output_modalities: ('text' | 'audio')[];
  instructions: string;
  tools: Tool[];
  tool_choice: NonNullable<SessionRequest['tool_choice']>;
  parallel_tool_calls?: boolean;
  max_output_tokens: number | 'inf';
  truncation: NonNullable<SessionRequest['truncation']>;
  tracing: SessionRequest['tracing'];
  prompt: SessionRequest['prompt'];
  reasoning?: SessionRequest['reasoning'];
  /** Seconds since the Unix epoch. */
  expires_at: number;
  audio: {
    input: {
      format: z.infer<typeof format>;
      transcription: z.infer<typeof transcription> | null;
      noise_reduction: z.infer<typeof noiseReduction> | null;
      turn_detection: TurnDetection | null;
    };
    output: { format: z.infer<typeof format>; voice: z.infer<typeof voice>; speed: number };
  };
  include: string[] | null;
}

export function defaultConfig(
  id: string,
  model: string,
  expiresAtS: number,
  type: SessionConfig['type'] = 'realtime',
): SessionConfig {
  return {
    type,
    object: type === 'realtime' ? 'realtime.session' : 'realtime.transcription_session',
    id,
    model,
    output_modalities: ['audio'],
    instructions: DEFAULT_INSTRUCTIONS,
    tools: [],
    tool_choice: 'auto',
    max_output_tokens: 'inf',
    truncation: 'auto',
    tracing: null,
    prompt: null,
    expires_at: expiresAtS,
    audio: {
      input: {
        format: { type: 'audio/pcm', rate: SAMPLE_RATE },
        transcription: null,
        noise_reduction: null,
        turn_detection: serverVad.parse({ type: 'server_vad' }),
      },
      output: {
        format: { type: 'audio/pcm', rate: SAMPLE_RATE },
        voice: DEFAULT_VOICE,
        speed: 1,
      },
    },
    include: null,
  };
}

/** Checks a `session` object; throws `ProtocolError` whose parameter starts with `prefix`. */
export function parseSessionRequest(value: unknown, prefix = 'session'): SessionRequest {
  const { type } = (value ?? {}) as { type?: unknown };
  const schema = type === 'transcription' ? transcriptionRequest : sessionRequest;
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw toProtocolError(result.error.issues[0] as z.core.$ZodIssue, prefix);
}

/** Leaves out what the client left out, so that it does not overwrite. */
function present<T extends object>(value: T | undefined): Partial<T> {
  const entries = Object.entries(value ?? {}).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries) as Partial<T>;
}

/** The configuration after `request`; throws `ProtocolError` when a fixed part would change. */
export function applyRequest(
  config: SessionConfig,
  request: SessionRequest,
  hasSpoken = false,
): SessionConfig {
  if (request.type !== config.type) {
    throw new ProtocolError(
      'invalid_parameter',
      `Passing a ${request.type} session update event to a ${config.type} session is not allowed.`,
      'session.type',
    );
  }
  if (request.model !== undefined && request.model !== config.model) {
    throw new ProtocolError(
      'cannot_update_model',
      "A session's model cannot be changed.",
      'session.model',
    );
  }
  const newVoice = request.audio?.output?.voice;
  const isOtherVoice =
    newVoice !== undefined && voiceName(newVoice) !== voiceName(config.audio.output.voice);
  if (hasSpoken && isOtherVoice) {
    const message = "Cannot update a conversation's voice if assistant audio is present.";
    throw new ProtocolError('cannot_update_voice', message, 'session.audio.output.voice');
  }
  const { audio, id: _id, object: _object, ...rest } = request;
  return {
    ...config,
    ...(present(rest) as Partial<SessionConfig>),
    audio: {
      input: { ...config.audio.input, ...present(audio?.input) },
      output: { ...config.audio.output, ...present(audio?.output) },
    } as SessionConfig['audio'],
  };
}

/** A configuration as the API shows it: a transcription has an input and nothing that speaks. */
export function shownConfig(config: SessionConfig): SessionConfig {
  if (config.type === 'realtime') return config;
  const { type, object, id, expires_at, include, audio } = config;
  return { type, object, id, expires_at, include, audio: { input: audio.input } } as SessionConfig;
}

export function voiceName(value: z.infer<typeof voice>): string {
  return typeof value === 'string' ? value : value.id;
}

export function outputFormat(config: SessionConfig): FormatName {
  return config.audio.output.format.type;
}
