import type { BucketSize, RateDecision } from './rate-limiter.ts';

/**
 * The generic cell rate algorithm: a token bucket in one number. `fullAtMs` is when the bucket will
 * be full again if nothing more is taken; each token taken moves it one interval further, and it
 * may never lie more than `burst` intervals ahead of now.
 */
export interface GcraStep {
  readonly decision: RateDecision;
  /** What to remember; unchanged when denied. */
  readonly fullAtMs: number;
}

const MINUTE_MS = 60_000;

export function intervalMs(size: BucketSize): number {
  if (!(size.perMinute > 0) || !(size.burst >= 1)) {
    throw new RangeError('A bucket needs at least one token and a positive rate.');
  }
  return MINUTE_MS / size.perMinute;
}

/** Takes one token at `nowMs` from the bucket that `fullAtMs` (undefined: full) describes. */
export function gcra(size: BucketSize, nowMs: number, fullAtMs: number | undefined): GcraStep {
  const stepMs = intervalMs(size);
  const before = Math.max(fullAtMs ?? nowMs, nowMs);
  const after = before + stepMs;
  const roomMs = nowMs + size.burst * stepMs - after;
  if (roomMs < -ROUNDING_MS) {
    return { decision: denied(-roomMs), fullAtMs: before };
  }
  return { decision: allowed(Math.floor(roomMs / stepMs + ROUNDING_MS)), fullAtMs: after };
}

export function allowed(remaining: number): RateDecision {
  return { allowed: true, remaining: Math.max(0, remaining), retryAfterS: 0 };
}

export function denied(waitMs: number): RateDecision {
  return { allowed: false, remaining: 0, retryAfterS: Math.max(1, Math.ceil(waitMs / 1_000)) };
}

/** Sums of fractions of milliseconds must not cost a token. */
const ROUNDING_MS = 1e-6;
