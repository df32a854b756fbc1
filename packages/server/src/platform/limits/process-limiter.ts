import { type Clock, systemClock } from '../../kernel/index.ts';
import { gcra } from './gcra.ts';
import type { BucketSize, RateDecision, RateLimiter } from './rate-limiter.ts';

export interface ProcessRateLimiterOptions {
  readonly clock?: Clock;
  /** Buckets kept at once; default `BUCKETS_MAX`. */
  readonly bucketsMax?: number;
}

/**
 * Beyond it the least recently used bucket is forgotten, so it is full when used again: a caller
 * with very many names gains a little, and memory stays bounded.
 */
const BUCKETS_MAX = 50_000;

/** Counts in this process alone. */
export function createProcessRateLimiter(options: ProcessRateLimiterOptions = {}): RateLimiter {
  const clock = options.clock ?? systemClock;
  const bucketsMax = options.bucketsMax ?? BUCKETS_MAX;
  // In order of last use: the first is the one unused longest.
  const fullAtMs = new Map<string, number>();

  function takeNow(bucket: string, size: BucketSize): RateDecision {
    const step = gcra(size, clock.monotonicMs(), fullAtMs.get(bucket));
    fullAtMs.delete(bucket);
    if (fullAtMs.size >= bucketsMax) {
      const oldest = fullAtMs.keys().next().value;
      if (oldest !== undefined) fullAtMs.delete(oldest);
    }
    fullAtMs.set(bucket, step.fullAtMs);
    return step.decision;
  }

  return {
    adapter: 'process',
    take: async (bucket, size) => takeNow(bucket, size),
    async ping() {},
    async close() {
      fullAtMs.clear();
    },
  };
}
