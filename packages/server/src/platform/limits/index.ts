/**
 * Rate limits: token buckets per principal. `rate-limiter.ts` is the port; one adapter counts in
 * process, one in Redis, shared by all replicas.
 *
 * Invariants: asking costs one step in process or one round trip to Redis, waits at most
 * `REDIS_DECISION_TIMEOUT_MS`, and never throws: while Redis is away, each replica counts by
 * itself. The number of buckets in process is bounded; the one unused longest is forgotten.
 */
export { createProcessRateLimiter, type ProcessRateLimiterOptions } from './process-limiter.ts';
export * from './rate-limiter.ts';
export {
  createRedisRateLimiter,
  REDIS_DECISION_TIMEOUT_MS,
  type RedisRateLimiterOptions,
} from './redis-limiter.ts';
