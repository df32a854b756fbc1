/** One measurement: when, and how much. */
export interface Point {
  readonly minutes: number;
  readonly value: number;
}

export interface Slope {
  /** Units of the values a minute. */
  readonly perMinute: number;
  /** Standard error of `perMinute`: how much of it may be chance. */
  readonly standardError: number;
}

/** Least squares. With fewer than two moments in time there is no slope: NaN. */
export function slopeOf(points: readonly Point[]): Slope {
  const count = points.length;
  const meanMinutes = sum(points, point => point.minutes) / count;
  const meanValue = sum(points, point => point.value) / count;
  const spread = sum(points, ({ minutes }) => (minutes - meanMinutes) ** 2);
  if (!(spread > 0)) return { perMinute: Number.NaN, standardError: Number.NaN };
  const together = sum(
    points,
    ({ minutes, value }) => (minutes - meanMinutes) * (value - meanValue),
  );
  const perMinute = together / spread;
  const residual = sum(
    points,
    ({ minutes, value }) => (value - meanValue - perMinute * (minutes - meanMinutes)) ** 2,
  );
  const freedom = count - 2;
  const standardError = freedom > 0 ? Math.sqrt(residual / freedom / spread) : Number.NaN;
  return { perMinute, standardError };
}

function sum(points: readonly Point[], of: (point: Point) => number): number {
  return points.reduce((total, point) => total + of(point), 0);
}
