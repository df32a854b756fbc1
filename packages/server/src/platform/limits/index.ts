/**
 * Rate limits: token buckets per principal. `rate-limiter.ts` is the port; one adapter counts in
 * process, one in Redis, shared by all replicas.
 *
 * Invariants: a decision costs one step in process or one round trip to Redis, waits at most
 * `REDIS_DECISION_TIMEOUT_MS`, and never throws: while Redis is away, each replica counts by
 * itself. The number of buckets in process is bounded; the one unused longest is forgotten.
 *
 * `rate-limiter-flexible` 11 was tried instead: it counts in fixed windows, so a caller that has
 * used up a burst of 10 at 60 a minute waits 9 s for the next token instead of 1 s, its pair of
 * windows (`BurstyRateLimiter`) lets two bursts through at a window's edge, and its buckets in
 * process have no bound.
 */
export { createProcessRateLimiter } from './process-limiter.ts';
export * from './rate-limiter.ts';
export { createRedisRateLimiter } from './redis-limiter.ts';
