/** Sounds for tests: speech-like bursts and silence, as samples. */
import { concat, SAMPLE_RATE, samplesOf } from '../audio/pcm.ts';

export function tone(durationMs: number, frequencyHz = 300, level = 8_000): Int16Array {
  return Int16Array.from({ length: samplesOf(durationMs) }, (_, index) =>
    Math.round(level * Math.sin((2 * Math.PI * frequencyHz * index) / SAMPLE_RATE)),
  );
}

export function silence(durationMs: number): Int16Array {
  return new Int16Array(samplesOf(durationMs));
}

/** Bursts of different loudness: an envelope that matches itself at one lag only. */
export function babble(levels: readonly number[], burstMs = 80): Int16Array {
  return concat(levels.map((level, index) => tone(burstMs, 200 + 40 * (index % 5), level)));
}

/** 20 ms loudness values. */
export function envelope(samples: Int16Array): number[] {
  const step = samplesOf(20);
  const values: number[] = [];
  for (let at = 0; at + step <= samples.length; at += step) {
    let sum = 0;
    for (let index = at; index < at + step; index++) sum += (samples[index] as number) ** 2;
    values.push(Math.sqrt(sum / step));
  }
  return values;
}

function correlationAt(one: readonly number[], other: readonly number[], lag: number): number {
  const pairs = one.flatMap((value, index) => {
    const match = other[index + lag];
    return match === undefined ? [] : [[value, match] as const];
  });
  if (pairs.length < one.length * 0.8) return 0;
  const meanOf = (pick: 0 | 1) => pairs.reduce((sum, pair) => sum + pair[pick], 0) / pairs.length;
  const [meanOne, meanOther] = [meanOf(0), meanOf(1)];
  let [cross, powerOne, powerOther] = [0, 0, 0];
  for (const [left, right] of pairs) {
    cross += (left - meanOne) * (right - meanOther);
    powerOne += (left - meanOne) ** 2;
    powerOther += (right - meanOther) ** 2;
  }
  return cross / Math.sqrt(powerOne * powerOther || 1);
}

/** The best correlation of `one` anywhere inside `other`. */
export function bestCorrelation(one: readonly number[], other: readonly number[]): number {
  let best = -1;
  for (let lag = 0; lag < other.length; lag++) {
    best = Math.max(best, correlationAt(one, other, lag));
  }
  return best;
}
