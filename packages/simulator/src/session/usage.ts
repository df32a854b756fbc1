/**
 * Token counts. Audio is counted as the provider documents it (a user's: one token per 100 ms, the
 * model's: one per 50 ms), text by the rule of thumb of four characters a token, an image at one
 * figure for all. What the model read in its previous response counts as cached, in steps of 64.
 */
import { msOf } from '../audio/pcm.ts';
import type { SessionConfig } from './config.ts';
import type { Conversation } from './conversation.ts';
import { type Item, textOf } from './items.ts';

const INPUT_MS_PER_TOKEN = 100;
const OUTPUT_MS_PER_TOKEN = 50;
const CHARACTERS_PER_TOKEN = 4;
const TOKENS_PER_ITEM = 3;
const TOKENS_PER_IMAGE = 500;
const CACHE_STEP = 64;

export interface Usage {
  total_tokens: number;
  input_tokens: number;
  output_tokens: number;
  input_token_details: {
    text_tokens: number;
    audio_tokens: number;
    image_tokens: number;
    cached_tokens: number;
    cached_tokens_details: { text_tokens: number; audio_tokens: number; image_tokens: number };
  };
  output_token_details: { text_tokens: number; audio_tokens: number };
}

export interface TokenCount {
  text: number;
  audio: number;
  image: number;
}

export function textTokens(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
}

export function inputAudioTokens(durationMs: number): number {
  return Math.ceil(durationMs / INPUT_MS_PER_TOKEN);
}

export function outputAudioTokens(durationMs: number): number {
  return Math.ceil(durationMs / OUTPUT_MS_PER_TOKEN);
}

/** What the model reads before it answers: instructions, tools and the conversation so far. */
export function contextTokens(config: SessionConfig, conversation: Conversation): TokenCount {
  const tools = config.tools.length > 0 ? textTokens(JSON.stringify(config.tools)) : 0;
  const total = { text: textTokens(config.instructions) + tools, audio: 0, image: 0 };
  for (const item of conversation.items) {
    const heardMs = msOf(conversation.audioOf(item.id)?.length ?? 0);
    const spokenMs = conversation.spokenMsOf(item.id);
    total.text += TOKENS_PER_ITEM + textTokens(textOf(item));
    total.audio += inputAudioTokens(heardMs) + outputAudioTokens(spokenMs);
    total.image += TOKENS_PER_IMAGE * imagesIn(item);
  }
  return total;
}

function imagesIn(item: Item): number {
  if (item.type !== 'message') return 0;
  return item.content.filter(part => part.type === 'input_image').length;
}

function cachedPart(now: number, before: number): number {
  return Math.floor(Math.min(now, before) / CACHE_STEP) * CACHE_STEP;
}

export function usageOf(
  input: TokenCount,
  before: TokenCount,
  output: Omit<TokenCount, 'image'>,
): Usage {
  const cachedText = cachedPart(input.text, before.text);
  const cachedAudio = cachedPart(input.audio, before.audio);
  const cachedImage = cachedPart(input.image, before.image);
  const inputTotal = input.text + input.audio + input.image;
  const outputTotal = output.text + output.audio;
  return {
    total_tokens: inputTotal + outputTotal,
    input_tokens: inputTotal,
    output_tokens: outputTotal,
    input_token_details: {
      text_tokens: input.text,
      audio_tokens: input.audio,
      image_tokens: input.image,
      cached_tokens: cachedText + cachedAudio + cachedImage,
      cached_tokens_details: {
        text_tokens: cachedText,
        audio_tokens: cachedAudio,
        image_tokens: cachedImage,
      },
    },
    output_token_details: { text_tokens: output.text, audio_tokens: output.audio },
  };
}
