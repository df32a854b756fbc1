import type { Peaks } from '../recordings/peaks.ts';

/** A recording where it lies in time; without an outline while it is being decoded. */
export interface SoundOnTimeline {
  readonly id: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly peaks: Peaks | null;
}
