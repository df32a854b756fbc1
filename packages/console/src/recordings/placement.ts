import type { Recording } from '@holdfast/protocol';

/** When a recording began, by what the recorder declared. */
export function startOf(recording: Recording): number {
  return Date.parse(recording.metadata.timestamp_start ?? recording.created_at);
}

/** The recording that plays at a moment, and the position in it. */
export function soundAt(
  recordings: readonly Recording[],
  atMs: number,
): { id: string; positionMs: number } | null {
  for (const recording of recordings) {
    const positionMs = atMs - startOf(recording);
    if (positionMs >= 0 && positionMs <= recording.measured.duration_s * 1000) {
      return { id: recording.audio_id, positionMs };
    }
  }
  return null;
}
