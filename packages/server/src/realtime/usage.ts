import type { SessionUsage, UsageCounts } from '@holdfast/protocol';
import type { Modalities, VoiceUsage } from '../models/index.ts';
import { isObject, type Json } from './preview/session.ts';

/**
 * What a provider reports as used, by modality: with each `response.done`, and with each finished
 * transcription, which another model has made at a price of its own. Pure.
 * Source: openai-openapi `RealtimeResponse.usage`, `TranscriptTextUsage*`: cached tokens are part
 * of the input, and tokens of thought part of the text.
 */
export interface ReportedUsage {
  readonly by: 'model' | 'transcription';
  readonly used: VoiceUsage;
}

export const TRANSCRIBED = 'conversation.item.input_audio_transcription.completed';
export const NOTHING: Modalities = { text: 0, audio: 0, image: 0 };

/** Undefined where the event reports nothing. */
export function reportedUsage(event: Json): ReportedUsage | undefined {
  if (event.type === 'response.done') {
    const usage = isObject(event.response) ? event.response.usage : undefined;
    return isObject(usage) ? { by: 'model', used: tokensOf(usage) } : undefined;
  }
  if (event.type !== TRANSCRIBED || !isObject(event.usage)) return undefined;
  const { usage } = event;
  if (usage.type === 'tokens') return { by: 'transcription', used: tokensOf(usage, 'text') };
  if (usage.type !== 'duration') return undefined;
  const used = { input: NOTHING, cached: NOTHING, output: NOTHING, seconds: amount(usage.seconds) };
  return { by: 'transcription', used };
}

/** `written`: all that the model writes, where its details do not tell. */
function tokensOf(usage: Json, written?: 'text'): VoiceUsage {
  const details = objectOf(usage.input_token_details);
  const input = split(usage.input_tokens, details);
  const output =
    written === undefined
      ? split(usage.output_tokens, objectOf(usage.output_token_details))
      : { ...NOTHING, text: count(usage.output_tokens) };
  return { input, cached: cachedOf(details, input), output, seconds: 0 };
}

/**
 * Tokens that no detail names are text where audio is named beside them. Without any details they
 * are audio, the dearest: a cost may then be too high, but never too low.
 */
function split(total: unknown, details: Json): Modalities {
  const parts = partsOf(details);
  const rest = Math.max(0, count(total) - parts.text - parts.audio - parts.image);
  const unnamed = details.audio_tokens === undefined ? 'audio' : 'text';
  return { ...parts, [unnamed]: parts[unnamed] + rest };
}

/** Never more than the input. What no detail names is taken where it saves least: text first. */
function cachedOf(details: Json, input: Modalities): Modalities {
  const named = partsOf(objectOf(details.cached_tokens_details));
  const cached = { ...NOTHING };
  for (const part of ['text', 'image', 'audio'] as const) {
    cached[part] = Math.min(named[part], input[part]);
  }
  let rest = count(details.cached_tokens) - cached.text - cached.image - cached.audio;
  for (const part of ['text', 'image', 'audio'] as const) {
    const more = Math.max(0, Math.min(rest, input[part] - cached[part]));
    cached[part] += more;
    rest -= more;
  }
  return cached;
}

function partsOf(details: Json): Modalities {
  return {
    text: count(details.text_tokens),
    audio: count(details.audio_tokens),
    image: count(details.image_tokens),
  };
}

export function noUsage(): SessionUsage {
  return {
    responses: 0,
    ...countsOf({ input: NOTHING, cached: NOTHING, output: NOTHING, seconds: 0 }),
    transcription_input_tokens: 0,
    transcription_output_tokens: 0,
    transcription_seconds: 0,
  };
}

/** As the API and the log show it. */
export function countsOf({ input, cached, output }: VoiceUsage): UsageCounts {
  const input_tokens = sum(input);
  const output_tokens = output.text + output.audio;
  return {
    input_tokens,
    input_text_tokens: input.text,
    input_audio_tokens: input.audio,
    input_image_tokens: input.image,
    cached_tokens: sum(cached),
    cached_text_tokens: cached.text,
    cached_audio_tokens: cached.audio,
    cached_image_tokens: cached.image,
    output_tokens,
    output_text_tokens: output.text,
    output_audio_tokens: output.audio,
    total_tokens: input_tokens + output_tokens,
  };
}

/** `usage` after `event`, of which `reported` was read. */
export function addUsage(
  usage: SessionUsage,
  event: Json,
  reported: ReportedUsage | undefined,
): SessionUsage {
  const more: Partial<SessionUsage> = event.type === 'response.done' ? { responses: 1 } : {};
  if (reported?.by === 'model') Object.assign(more, countsOf(reported.used));
  if (reported?.by === 'transcription') {
    const { input, output, seconds } = reported.used;
    more.transcription_input_tokens = sum(input);
    more.transcription_output_tokens = output.text;
    more.transcription_seconds = seconds;
  }
  const total = { ...usage };
  for (const [key, value] of Object.entries(more)) total[key as keyof SessionUsage] += value;
  return total;
}

const sum = ({ text, audio, image }: Modalities): number => text + audio + image;

const objectOf = (value: unknown): Json => (isObject(value) ? value : {});

const amount = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;

/** Token counts are whole numbers; anything else in their place counts as nothing. */
const count = (value: unknown): number => Math.floor(amount(value));
