import type { Recording } from '@holdfast/protocol';
import { queryOptions } from '@tanstack/react-query';
import { client } from '../app/services.ts';
import { computePeaks, type Peaks } from './peaks.ts';

/**
 * Decodes a recording once to draw its outline. At 8 kHz an hour needs 115 MB for a moment and a
 * few KB afterwards; longer ones are played without an outline.
 */
const DECODE_RATE_HZ = 8000;
const DECODE_MAX_S = 3700;
const STRETCHES = 6000;

export const peaksQuery = (recording: Recording) =>
  queryOptions({
    queryKey: ['peaks', recording.audio_id],
    queryFn: ({ signal }) => decodePeaks(recording, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 10 * 60_000,
  });

async function decodePeaks(recording: Recording, signal: AbortSignal): Promise<Peaks | null> {
  if (recording.measured.duration_s > DECODE_MAX_S) return null;
  const path = `/v1/recordings/${encodeURIComponent(recording.audio_id)}/audio`;
  const response = await client.http.request(path, { signal, headers: { accept: 'audio/*' } });
  const bytes = await response.arrayBuffer();
  const context = new OfflineAudioContext(1, 1, DECODE_RATE_HZ);
  // An outline is a convenience: a sound this browser cannot decode can still be downloaded.
  const sound = await context.decodeAudioData(bytes).catch(() => null);
  if (sound === null) return null;
  return computePeaks(sound.getChannelData(0), sound.duration * 1000, STRETCHES);
}
