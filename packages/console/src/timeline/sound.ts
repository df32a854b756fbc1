import type { Peaks } from '../recordings/peaks.ts';

/** A recording at its place in time; without an outline while it is being decoded. */
export interface SoundOnTimeline {
  readonly id: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly peaks: Peaks | null;
}
