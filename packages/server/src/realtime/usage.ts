import type { SessionUsage, UsageCounts } from '@holdfast/protocol';
import { isObject, type Json } from './preview/session.ts';

/**
 * What a session has used, counted from what the provider reports: each `response.done`, and each
 * transcription that reports seconds (one that reports tokens adds to the tokens).
 * Source: openai-openapi `RealtimeResponse.usage`, `TranscriptTextUsage*`.
 */
export function noUsage(): SessionUsage {
  return {
    responses: 0,
    input_tokens: 0,
    output_tokens: 0,
    total_tokens: 0,
    input_audio_tokens: 0,
    output_audio_tokens: 0,
    cached_tokens: 0,
    transcription_seconds: 0,
  };
}

/** The usage of one GA response object, or null where it reports none. */
export function responseUsage(response: Json): UsageCounts | null {
  if (!isObject(response.usage)) return null;
  const { usage } = response;
  const input = isObject(usage.input_token_details) ? usage.input_token_details : {};
  const output = isObject(usage.output_token_details) ? usage.output_token_details : {};
  return {
    input_tokens: count(usage.input_tokens),
    output_tokens: count(usage.output_tokens),
    total_tokens: count(usage.total_tokens),
    input_audio_tokens: count(input.audio_tokens),
    output_audio_tokens: count(output.audio_tokens),
    cached_tokens: count(input.cached_tokens),
  };
}

/** `usage` after `event`; the same object when the event reports nothing. */
export function addUsage(usage: SessionUsage, event: Json): SessionUsage {
  if (event.type === 'response.done' && isObject(event.response)) {
    const used = responseUsage(event.response);
    return add(usage, { ...used, responses: 1 });
  }
  if (event.type !== 'conversation.item.input_audio_transcription.completed') return usage;
  const used = isObject(event.usage) ? event.usage : {};
  if (used.type === 'duration') return add(usage, { transcription_seconds: amount(used.seconds) });
  if (used.type !== 'tokens') return usage;
  const input = isObject(used.input_token_details) ? used.input_token_details : {};
  return add(usage, {
    input_tokens: count(used.input_tokens),
    output_tokens: count(used.output_tokens),
    total_tokens: count(used.total_tokens),
    input_audio_tokens: count(input.audio_tokens),
  });
}

function add(usage: SessionUsage, more: Partial<SessionUsage>): SessionUsage {
  const sum = { ...usage };
  for (const [key, value] of Object.entries(more)) sum[key as keyof SessionUsage] += value;
  return sum;
}

const amount = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;

/** Token counts are whole numbers; anything else in their place counts as nothing. */
const count = (value: unknown): number => Math.floor(amount(value));
