import { createHash } from 'node:crypto';
import { type Clock, systemClock } from '../../kernel/index.ts';
import type { Redis } from '../redis/index.ts';
import type { Telemetry } from '../telemetry/index.ts';
import { allowed, denied, intervalMs } from './gcra.ts';
import { createProcessRateLimiter } from './process-limiter.ts';
import type { BucketSize, RateDecision, RateLimiter } from './rate-limiter.ts';

export interface RedisRateLimiterOptions {
  readonly redis: Redis;
  readonly clock?: Clock;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

/** The longest a request waits for Redis before it is decided in process. */
const REDIS_DECISION_TIMEOUT_MS = 250;
/** After a failure Redis is not asked for this long, so that an outage delays few requests. */
export const REDIS_PAUSE_MS = 1_000;

/**
 * The algorithm of `gcra.ts` on Redis's own clock, in microseconds, as one atomic step. Answers
 * {1, tokens left} or {0, microseconds to wait}. A full bucket needs no key: its key expires.
 */
const SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step = tonumber(ARGV[1])
local burst = tonumber(ARGV[2])
local full = tonumber(redis.call('GET', KEYS[1])) or now
if full < now then full = now end
local after = full + step
local room = now + burst * step - after
if room < 0 then return {0, -room} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000))
return {1, math.floor(room / step)}
`;
const SCRIPT_SHA1 = createHash('sha1').update(SCRIPT).digest('hex');

/** Counts in Redis, for all replicas together; in this process while Redis is away. */
export function createRedisRateLimiter(options: RedisRateLimiterOptions): RateLimiter {
  const { redis, telemetry } = options;
  const clock = options.clock ?? systemClock;
  const fallback = createProcessRateLimiter({ clock });
  let away = false;
  let askAgainAtMs = Number.NEGATIVE_INFINITY;

  telemetry?.meter
    .createObservableGauge('holdfast_rate_limiter_fallback')
    .addCallback(result => result.observe(away ? 1 : 0));

  function onFailure(error: unknown): void {
    askAgainAtMs = clock.monotonicMs() + REDIS_PAUSE_MS;
    if (!away) telemetry?.log.warn('rate_limiter.fallback', { error });
    away = true;
  }

  return {
    adapter: 'redis',
    async take(bucket, size) {
      if (clock.monotonicMs() < askAgainAtMs) return fallback.take(bucket, size);
      try {
        const decision = await ask(redis, bucket, size);
        if (away) telemetry?.log.info('rate_limiter.recovered');
        away = false;
        return decision;
      } catch (error) {
        onFailure(error);
        return fallback.take(bucket, size);
      }
    },
    ping: timeoutMs => redis.ping(timeoutMs),
    close: () => fallback.close(),
  };
}

async function ask(redis: Redis, bucket: string, size: BucketSize): Promise<RateDecision> {
  const stepUs = Math.max(1, Math.round(intervalMs(size) * 1_000));
  const args = ['1', redis.name(`limit:${bucket}`), String(stepUs), String(size.burst)];
  const answer = await evaluate(redis, args);
  if (!Array.isArray(answer) || answer.length !== 2) throw new Error('Unexpected script answer.');
  const [taken, figure] = answer.map(Number) as [number, number];
  return taken === 1 ? allowed(figure) : denied(figure / 1_000);
}

/** By digest: the script itself travels only once per Redis start. */
async function evaluate(redis: Redis, args: readonly string[]): Promise<unknown> {
  try {
    return await redis.command(['EVALSHA', SCRIPT_SHA1, ...args], REDIS_DECISION_TIMEOUT_MS);
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (!(cause instanceof Error && cause.message.startsWith('NOSCRIPT'))) throw error;
    return redis.command(['EVAL', SCRIPT, ...args], REDIS_DECISION_TIMEOUT_MS);
  }
}
