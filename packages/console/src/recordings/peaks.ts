/** The outline of a sound: the loudest sample of each of equal stretches. Pure. */
export interface Peaks {
  /** 0 to 1, one for each stretch. */
  readonly values: Float32Array;
  readonly durationMs: number;
}

export function computePeaks(samples: Float32Array, durationMs: number, stretches: number): Peaks {
  const values = new Float32Array(Math.max(1, Math.min(stretches, samples.length)));
  const size = samples.length / values.length;
  for (let i = 0; i < values.length; i++) {
    const end = Math.min(samples.length, Math.floor((i + 1) * size));
    let loudest = 0;
    for (let k = Math.floor(i * size); k < end; k++) {
      loudest = Math.max(loudest, Math.abs(samples[k]!));
    }
    values[i] = Math.min(1, loudest);
  }
  return { values, durationMs };
}

/**
 * Where a window of time begins and ends within the sound, in ms from its start, and how many
 * columns the window is drawn with.
 */
export interface Columns {
  fromMs: number;
  toMs: number;
  count: number;
}

/** The loudness of each column; 0 outside the sound. */
export function columnPeaks(peaks: Peaks, { fromMs, toMs, count }: Columns): Float32Array {
  const { values, durationMs } = peaks;
  const columns = new Float32Array(count);
  const perColumn = (toMs - fromMs) / count;
  const toIndex = (ms: number) => (ms / durationMs) * values.length;
  for (let i = 0; i < count; i++) {
    const start = fromMs + i * perColumn;
    if (start + perColumn <= 0 || start >= durationMs) continue;
    const from = Math.max(0, Math.floor(toIndex(start)));
    const to = Math.min(values.length, Math.ceil(toIndex(start + perColumn)));
    for (let k = from; k < to; k++) columns[i] = Math.max(columns[i]!, values[k]!);
  }
  return columns;
}

/** A mirrored outline as an SVG path, `heightPx` high, columns `stepPx` apart. */
export function outlinePath(columns: Float32Array, stepPx: number, heightPx: number): string {
  const middle = heightPx / 2;
  const parts: string[] = [];
  for (const [i, value] of columns.entries()) {
    if (value <= 0.002) continue;
    const half = Math.max(0.6, value * (middle - 1));
    parts.push(
      `M${(i * stepPx).toFixed(1)} ${(middle - half).toFixed(1)}v${(half * 2).toFixed(1)}`,
    );
  }
  return parts.join('');
}
