/**
 * Transcription of the user's audio. Nothing here understands speech, so the text is marked as
 * simulated, unless the script has the words.
 */
import type { SessionHost } from './host.ts';
import type { MessageItem } from './items.ts';
import { inputAudioTokens, textTokens } from './usage.ts';

export interface Transcription {
  /** The transcription model; `whisper-1` is billed by duration, all others by tokens. */
  model: string;
  durationMs: number;
  heard?: string;
}

export function transcribe(host: SessionHost, item: MessageItem, what: Transcription): void {
  const transcript = what.heard ?? `(simulated) ${(what.durationMs / 1000).toFixed(1)} s of speech`;
  const place = { item_id: item.id, content_index: 0 };
  for (const delta of transcript.match(/\S+\s*/g) ?? []) {
    host.emit({ type: 'conversation.item.input_audio_transcription.delta', ...place, delta });
  }
  item.content = [{ type: 'input_audio', transcript }];
  host.emit({
    type: 'conversation.item.input_audio_transcription.completed',
    ...place,
    transcript,
    usage: usageFor(what, transcript),
  });
}

function usageFor(what: Transcription, transcript: string) {
  if (what.model === 'whisper-1') {
    return { type: 'duration' as const, seconds: what.durationMs / 1000 };
  }
  const audio = inputAudioTokens(what.durationMs);
  const output = textTokens(transcript);
  return {
    type: 'tokens' as const,
    total_tokens: audio + output,
    input_tokens: audio,
    input_token_details: { text_tokens: 0, audio_tokens: audio },
    output_tokens: output,
  };
}
