/**
 * Token buckets: `burst` tokens at most, refilled evenly at `perMinute`. A request takes one.
 */
export interface BucketSize {
  readonly perMinute: number;
  readonly burst: number;
}

export interface RateDecision {
  readonly allowed: boolean;
  /** Whole tokens left. */
  readonly remaining: number;
  /** Seconds until one token is there, rounded up; 0 when allowed. */
  readonly retryAfterS: number;
}

export interface RateLimiter {
  readonly adapter: string;
  /**
   * Never throws: while a shared store is away, the adapter decides in process and logs it once.
   */
  take(bucket: string, size: BucketSize): Promise<RateDecision>;
  ping(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}
