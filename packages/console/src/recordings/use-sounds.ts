import type { Recording } from '@holdfast/protocol';
import { useQueries } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { SoundOnTimeline } from '../timeline/sound.ts';
import { startOf } from './placement.ts';
import { peaksQuery } from './use-peaks.ts';

/** More outlines than this would crowd the picture; all can still be played below it. */
const ON_TIMELINE_MAX = 3;

/** The recordings of a session as the timeline draws them. */
export function useSounds(recordings: readonly Recording[]): SoundOnTimeline[] {
  const shown = recordings.slice(0, ON_TIMELINE_MAX);
  const peaks = useQueries({
    queries: shown.map(recording => peaksQuery(recording)),
    combine: results => results.map(result => result.data ?? null),
  });
  return useMemo(
    () =>
      recordings.slice(0, ON_TIMELINE_MAX).map((recording, index) => {
        const startMs = startOf(recording);
        return {
          id: recording.audio_id,
          startMs,
          endMs: startMs + recording.measured.duration_s * 1000,
          peaks: peaks[index] ?? null,
        };
      }),
    [recordings, peaks],
  );
}
