import type { Recording } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { columnPeaks, computePeaks, outlinePath } from './peaks.ts';
import { soundAt, startOf } from './placement.ts';

describe('computePeaks', () => {
  it('finds the loudest sample of each stretch and loses none', () => {
    const samples = new Float32Array(1003);
    samples[0] = -0.5;
    samples[500] = 0.25;
    samples[1002] = 2;
    const { values } = computePeaks(samples, 1000, 10);
    expect(values).toHaveLength(10);
    expect([values[0], Math.max(values[4]!, values[5]!), values[9]]).toEqual([0.5, 0.25, 1]);
  });

  it('survives sounds shorter than its stretches, and none at all', () => {
    expect(computePeaks(Float32Array.from([0.5, 1]), 1, 10).values).toHaveLength(2);
    expect([...computePeaks(new Float32Array(0), 0, 10).values]).toEqual([0]);
  });
});

describe('columnPeaks', () => {
  const peaks = { values: Float32Array.from([0, 1, 0, 0.5]), durationMs: 4000 };

  it('places the sound within the window', () => {
    const columns = columnPeaks(peaks, { fromMs: -2000, toMs: 6000, count: 8 });
    expect([...columns]).toEqual([0, 0, 0, 1, 0, 0.5, 0, 0]);
  });

  it('keeps a peak visible at every zoom, and draws steps when close', () => {
    expect([...columnPeaks(peaks, { fromMs: 0, toMs: 4000, count: 1 })]).toEqual([1]);
    expect([...columnPeaks(peaks, { fromMs: 1000, toMs: 2000, count: 3 })]).toEqual([1, 1, 1]);
  });
});

describe('outlinePath', () => {
  it('draws a mirrored outline within its height', () => {
    const path = outlinePath(Float32Array.from([0, 1, 0.1]), 2, 40);
    expect(path).toBe('M2.0 1.0v38.0M4.0 18.1v3.8');
  });
});

describe('where a recording lies in time', () => {
  const recording = (id: string, start: string | undefined, seconds: number) =>
    ({
      audio_id: id,
      created_at: '2026-11-22T00:10:00.000Z',
      metadata: { timestamp_start: start },
      measured: { duration_s: seconds },
    }) as Recording;
  const first = recording('r1', '2026-11-22T00:00:00.000Z', 10);
  const second = recording('r2', '2026-11-22T00:01:00.000Z', 10);
  const at = (time: string) => soundAt([first, second], Date.parse(`2026-11-22T00:${time}Z`));

  it('finds the recording that plays at a moment, and the position in it', () => {
    expect(at('00:04.500')).toEqual({ id: 'r1', positionMs: 4500 });
    expect(at('01:10.000')).toEqual({ id: 'r2', positionMs: 10_000 });
    expect(at('00:30.000')).toBeNull();
    expect(startOf(recording('r3', undefined, 1))).toBe(Date.parse('2026-11-22T00:10:00.000Z'));
  });
});
