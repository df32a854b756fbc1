import type { ResponseUsage } from './events.ts';

/** What the model counted so far in this session. */
export interface VoiceUsage {
  responses: number;
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  inputAudioTokens: number;
  outputAudioTokens: number;
  cachedTokens: number;
}

export const NO_USAGE: VoiceUsage = {
  responses: 0,
  inputTokens: 0,
  outputTokens: 0,
  totalTokens: 0,
  inputAudioTokens: 0,
  outputAudioTokens: 0,
  cachedTokens: 0,
};

/** The sum after one `response.done`; an answer without figures still counts as one. */
export function addUsage(sum: VoiceUsage, usage: ResponseUsage | null | undefined): VoiceUsage {
  return {
    responses: sum.responses + 1,
    inputTokens: sum.inputTokens + (usage?.input_tokens ?? 0),
    outputTokens: sum.outputTokens + (usage?.output_tokens ?? 0),
    totalTokens: sum.totalTokens + (usage?.total_tokens ?? 0),
    inputAudioTokens: sum.inputAudioTokens + (usage?.input_token_details?.audio_tokens ?? 0),
    outputAudioTokens: sum.outputAudioTokens + (usage?.output_token_details?.audio_tokens ?? 0),
    cachedTokens: sum.cachedTokens + (usage?.input_token_details?.cached_tokens ?? 0),
  };
}
