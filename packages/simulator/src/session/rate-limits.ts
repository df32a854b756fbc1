/**
 * The account behind `rate_limits.updated`: two buckets that refill within a minute. Nothing
 * here refuses a request; a fault can.
 */
import type { ServerEvent } from './server-events.ts';

const LIMITS = { requests: 1_000, tokens: 400_000 };
const WINDOW_MS = 60_000;

class Bucket {
  readonly #limit: number;
  #used = 0;
  #atMs = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  take(amount: number, nowMs: number): void {
    this.#used = this.#usedAt(nowMs) + amount;
    this.#atMs = nowMs;
  }

  #usedAt(nowMs: number): number {
    return Math.max(0, this.#used - ((nowMs - this.#atMs) * this.#limit) / WINDOW_MS);
  }

  view(nowMs: number) {
    const used = Math.min(this.#limit, this.#usedAt(nowMs));
    return {
      limit: this.#limit,
      remaining: Math.floor(this.#limit - used),
      reset_seconds: Number(((used * WINDOW_MS) / this.#limit / 1000).toFixed(3)),
    };
  }
}

export class RateLimits {
  readonly #requests = new Bucket(LIMITS.requests);
  readonly #tokens = new Bucket(LIMITS.tokens);

  take(tokens: number, nowMs: number): void {
    this.#requests.take(1, nowMs);
    this.#tokens.take(tokens, nowMs);
  }

  event(nowMs: number): ServerEvent {
    return {
      type: 'rate_limits.updated',
      rate_limits: [
        { name: 'requests', ...this.#requests.view(nowMs) },
        { name: 'tokens', ...this.#tokens.view(nowMs) },
      ],
    };
  }
}
