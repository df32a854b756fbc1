/**
 * The session object of the preview protocol (flat) and of the GA protocol (nested), each made
 * from the other. Sources: Azure's "Migrate to the GA Realtime API"; openai-openapi
 * `RealtimeSession` (flat) and `RealtimeSessionCreateRequestGA` (nested).
 */
export type Json = Record<string, unknown>;

/** A value that preview clients may not give; the error for the client names its field. */
export class Untranslatable extends Error {
  readonly param: string;

  constructor(param: string, message: string) {
    super(message);
    this.name = 'Untranslatable';
    this.param = param;
  }
}

/** What preview clients send when they mean "as usual"; GA has no such field. */
const PREVIEW_TEMPERATURE = 0.8;

const FORMATS: Readonly<Record<string, Json>> = {
  pcm16: { type: 'audio/pcm', rate: 24_000 },
  g711_ulaw: { type: 'audio/pcmu' },
  g711_alaw: { type: 'audio/pcma' },
};
const FORMAT_NAMES: Readonly<Record<string, string>> = {
  'audio/pcm': 'pcm16',
  'audio/pcmu': 'g711_ulaw',
  'audio/pcma': 'g711_alaw',
};

/** Fields of the same name and meaning in both. */
const SHARED = ['instructions', 'tools', 'tool_choice', 'tracing', 'prompt', 'include', 'model'];
const INPUT: Readonly<Record<string, string>> = {
  input_audio_transcription: 'transcription',
  input_audio_noise_reduction: 'noise_reduction',
  turn_detection: 'turn_detection',
};

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The entry of a table, and nothing that every object inherits. */
export function entry<T>(table: Readonly<Record<string, T>>, key: unknown): T | undefined {
  return typeof key === 'string' && Object.hasOwn(table, key) ? table[key] : undefined;
}

/** Keys that only the preview's session object has. */
const FLAT_ONLY: ReadonlySet<string> = new Set([
  ...Object.keys(INPUT),
  'modalities',
  'voice',
  'input_audio_format',
  'output_audio_format',
  'max_response_output_tokens',
  'temperature',
]);
/** Keys that only GA's has; `type` says so by itself. */
const NESTED_ONLY = ['type', 'audio', 'output_modalities', 'max_output_tokens', 'truncation'];

/** Which protocol a client's session object is written in; undefined where it fits both. */
export function shapeOf(session: Json): 'ga' | 'preview' | undefined {
  const keys = Object.keys(session);
  if (keys.some(key => NESTED_ONLY.includes(key))) return 'ga';
  return keys.some(key => FLAT_ONLY.has(key)) ? 'preview' : undefined;
}

/**
 * Flat → nested. `path` names the object in error texts: `session` or `response`. Fields that GA
 * has no place for are left out, and their paths added to `leftOut`.
 */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one flat list of fields.
export function sessionToGa(
  flat: Json,
  path: 'session' | 'response' = 'session',
  leftOut: string[] = [],
): Json {
  const nested: Json = {};
  const input: Json = {};
  const output: Json = {};
  for (const [key, value] of Object.entries(flat)) {
    const at = `${path}.${key}`;
    if (SHARED.includes(key)) nested[key] = value;
    else if (path === 'session' && entry(INPUT, key)) input[INPUT[key]!] = value;
    else if (key === 'modalities') nested.output_modalities = modalitiesToGa(value, at);
    else if (key === 'voice' || key === 'speed') output[key] = value;
    else if (key === 'output_audio_format') output.format = formatToGa(value, at);
    else if (path === 'session' && key === 'input_audio_format')
      input.format = formatToGa(value, at);
    else if (key === 'max_response_output_tokens' || key === 'max_output_tokens') {
      nested.max_output_tokens = value;
    } else if (path === 'response' && ['conversation', 'metadata', 'input'].includes(key)) {
      nested[key] = value;
    } else if (!configuresNothing(key, value)) leftOut.push(at);
  }
  const audio: Json = {};
  if (Object.keys(input).length > 0) audio.input = input;
  if (Object.keys(output).length > 0) audio.output = output;
  if (Object.keys(audio).length > 0) nested.audio = audio;
  return path === 'session' ? { type: 'realtime', ...nested } : nested;
}

/** The beta's transcription session (flat) → nested. Its modalities configure nothing. */
export function transcriptionToGa(flat: Json, leftOut: string[] = []): Json {
  const { modalities: _modalities, ...fields } = flat;
  return { ...sessionToGa(fields, 'session', leftOut), type: 'transcription' };
}

/** Nested → flat, of a transcription session. */
export function transcriptionToPreview(nested: Json): Json {
  const flat = sessionToPreview(nested);
  const names = ['id', 'expires_at', 'input_audio_format', 'turn_detection'];
  const shared = ['input_audio_transcription', 'input_audio_noise_reduction'];
  return {
    object: 'realtime.transcription_session',
    ...Object.fromEntries([...names, ...shared].map(name => [name, flat[name]])),
    ...(nested.include !== undefined && { include: nested.include }),
  };
}

/** What clients echo back from `session.created`, and a temperature that means "as usual". */
function configuresNothing(key: string, value: unknown): boolean {
  if (key === 'temperature') return value === PREVIEW_TEMPERATURE || value === null;
  return ['id', 'object', 'expires_at', 'client_secret'].includes(key);
}

/** GA takes one output modality; audio always comes with its transcript. */
function modalitiesToGa(value: unknown, at: string): string[] {
  const known =
    Array.isArray(value) && value.length > 0 && value.every(m => m === 'text' || m === 'audio');
  if (!known) throw new Untranslatable(at, `${at} must list text, audio or both.`);
  return value.includes('audio') ? ['audio'] : ['text'];
}

function formatToGa(value: unknown, at: string): Json {
  const format = entry(FORMATS, value);
  if (format !== undefined) return format;
  throw new Untranslatable(at, `${at} must be one of ${Object.keys(FORMATS).join(', ')}.`);
}

/** What the preview's models did, and GA's do, when no turn detection is set. */
const SERVER_VAD = {
  type: 'server_vad',
  threshold: 0.5,
  prefix_padding_ms: 300,
  silence_duration_ms: 200,
};

/** Nested → flat, with the preview's defaults where GA leaves a field out. */
export function sessionToPreview(nested: Json): Json {
  const audio = isObject(nested.audio) ? nested.audio : {};
  const input = isObject(audio.input) ? audio.input : {};
  const output = isObject(audio.output) ? audio.output : {};
  return {
    id: nested.id,
    object: 'realtime.session',
    model: nested.model,
    expires_at: nested.expires_at ?? 0,
    modalities: modalitiesToPreview(nested.output_modalities),
    instructions: nested.instructions ?? '',
    voice: output.voice ?? null,
    input_audio_format: formatToPreview(input.format),
    output_audio_format: formatToPreview(output.format),
    input_audio_transcription: input.transcription ?? null,
    input_audio_noise_reduction: input.noise_reduction ?? null,
    turn_detection: input.turn_detection === undefined ? SERVER_VAD : input.turn_detection,
    tools: nested.tools ?? [],
    tool_choice: nested.tool_choice ?? 'auto',
    temperature: PREVIEW_TEMPERATURE,
    max_response_output_tokens: nested.max_output_tokens ?? 'inf',
    ...(nested.tracing !== undefined && { tracing: nested.tracing }),
    ...(output.speed !== undefined && { speed: output.speed }),
  };
}

export function modalitiesToPreview(value: unknown): string[] {
  return Array.isArray(value) && !value.includes('audio') ? ['text'] : ['text', 'audio'];
}

export function formatToPreview(value: unknown): string {
  return entry(FORMAT_NAMES, isObject(value) ? value.type : undefined) ?? 'pcm16';
}
