import type { Model, Price } from './catalogue.ts';

/** What a model read and wrote, in tokens of each modality. */
export interface Modalities {
  readonly text: number;
  readonly audio: number;
  readonly image: number;
}

/** What a voice model used, as its provider reported it. */
export interface VoiceUsage {
  /** All input, what came from a cache included. */
  readonly input: Modalities;
  readonly cached: Modalities;
  readonly output: Pick<Modalities, 'text' | 'audio'>;
  /** Audio that is billed by its length. */
  readonly seconds: number;
}

const PER = 1_000_000;
const MINUTE_S = 60;

/** What it costs; null when a part that was used has no price. */
export function voiceCostUsd(price: Price | undefined, usage: VoiceUsage): number | null {
  const { input, cached, output, seconds } = usage;
  const rates = price ?? ({} as Partial<Price>);
  const fresh = (part: keyof Modalities) => Math.max(0, input[part] - cached[part]) / PER;
  const parts: [amount: number, rate: number | undefined][] = [
    [fresh('text'), rates.input_text],
    [fresh('audio'), rates.input_audio],
    [fresh('image'), rates.input_image],
    [cached.text / PER, rates.cached_input ?? rates.input_text],
    [cached.audio / PER, rates.cached_input_audio ?? rates.input_audio],
    [cached.image / PER, rates.cached_input_image ?? rates.input_image],
    [output.text / PER, rates.output_text],
    [output.audio / PER, rates.output_audio],
    [seconds / MINUTE_S, rates.per_minute],
  ];
  let total = 0;
  for (const [amount, rate] of parts) {
    if (amount === 0) continue;
    if (rate === undefined) return null;
    total += amount * rate;
  }
  return total;
}

/** What the next response of a session may use, as far as it is known before it begins. */
export interface NextResponse {
  /** What the response before has read and written, which the next one reads. */
  readonly inputTokens: number;
  /** What the session's configuration allows; undefined: as much as the model can. */
  readonly maxOutputTokens: number | undefined;
}

/**
 * What a session reserves for its next response: all it may write at the dearest price, and what
 * the response before left to be read. Null when the model has no price for a part that it may use
 * at any time. A model that is billed by time has a minute reserved.
 */
export function nextResponseUsd(
  price: Price | undefined,
  model: Pick<Model, 'max_output_tokens' | 'context_tokens' | 'protocols'>,
  next: NextResponse,
): number | null {
  if (price === undefined) return null;
  const { input_text, input_audio, input_image, output_text, output_audio, per_minute } = price;
  if (per_minute !== undefined) return per_minute;
  const speaks = model.protocols.includes('realtime');
  if (input_audio === undefined || (speaks ? output_audio : output_text) === undefined) return null;
  const read = Math.max(input_text ?? 0, input_audio, input_image ?? 0);
  const written = Math.max(output_text ?? 0, output_audio ?? 0);
  const input = Math.min(next.inputTokens, model.context_tokens);
  const output = Math.min(next.maxOutputTokens ?? Infinity, model.max_output_tokens);
  return (input * read + output * written) / PER;
}
