import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RedisService, startRedis } from '../../../../../tools/services/redis.ts';
import { sharedRedis } from '../../../../../tools/services/shared.ts';
import type { Clock } from '../../kernel/index.ts';
import { recordTelemetry } from '../log/testing.ts';
import { createRedis, type Redis } from '../redis/index.ts';
import { gcra } from './gcra.ts';
import { createProcessRateLimiter, createRedisRateLimiter } from './index.ts';
import type { RateLimiter } from './rate-limiter.ts';
import { REDIS_PAUSE_MS } from './redis-limiter.ts';

const WAIT = { timeout: 10_000, interval: 10 };
const SLOW = { perMinute: 1, burst: 3 };

async function openRedis(port: number, host = '127.0.0.1'): Promise<Redis> {
  const prefix = `${randomBytes(4).toString('hex')}:`;
  const redis = createRedis({ host, port, prefix });
  await vi.waitFor(() => expect(redis.ready).toBe(true), WAIT);
  return redis;
}

const adapters: Record<string, () => Promise<{ limiter: RateLimiter; close(): Promise<void> }>> = {
  async 'in process'() {
    const limiter = createProcessRateLimiter();
    return { limiter, close: () => limiter.close() };
  },
  async 'in Redis'() {
    const { host, port } = await sharedRedis();
    const redis = await openRedis(port, host);
    const limiter = createRedisRateLimiter({ redis });
    return {
      limiter,
      async close() {
        await limiter.close();
        await redis.close();
      },
    };
  },
};

describe.each(Object.entries(adapters))('a rate limiter %s', (_, start) => {
  let limiter: RateLimiter;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ limiter, close } = await start());
  });
  afterAll(() => close());

  it('denies what is beyond the burst and names when to retry', async () => {
    const answers = [];
    for (let n = 0; n < 4; n += 1) answers.push(await limiter.take('denied', SLOW));
    expect(answers.map(({ allowed, remaining }) => [allowed, remaining])).toEqual([
      [true, 2],
      [true, 1],
      [true, 0],
      [false, 0],
    ]);
    expect(answers.map(({ retryAfterS }) => retryAfterS).slice(0, 3)).toEqual([0, 0, 0]);
    expect(answers[3]?.retryAfterS).toBeGreaterThan(50);
    expect(answers[3]?.retryAfterS).toBeLessThanOrEqual(60);
  });

  it('admits exactly the burst of many at once', async () => {
    const takes = Array.from({ length: 50 }, () => limiter.take('race', SLOW));
    const answers = await Promise.all(takes);
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(SLOW.burst);
  });

  it('counts each bucket by itself', async () => {
    for (const bucket of ['one', 'two', 'a:b c\n']) {
      expect(await limiter.take(bucket, { perMinute: 1, burst: 1 })).toMatchObject({
        allowed: true,
      });
    }
    expect((await limiter.take('one', { perMinute: 1, burst: 1 })).allowed).toBe(false);
  });

  it('refills evenly', async () => {
    const fast = { perMinute: 600, burst: 1 };
    expect((await limiter.take('refill', fast)).allowed).toBe(true);
    const denied = await limiter.take('refill', fast);
    expect(denied).toEqual({ allowed: false, remaining: 0, retryAfterS: 1 });
    await vi.waitFor(async () => {
      expect((await limiter.take('refill', fast)).allowed).toBe(true);
    }, WAIT);
  });

  it('answers a ping', async () => {
    await limiter.ping(5_000);
  });
});

describe('the algorithm', () => {
  it('gives a full bucket after any pause, and no more than full', () => {
    const size = { perMinute: 60, burst: 10 };
    let fullAtMs: number | undefined;
    const take = (nowMs: number) => {
      const step = gcra(size, nowMs, fullAtMs);
      fullAtMs = step.fullAtMs;
      return step.decision;
    };
    for (let n = 9; n >= 0; n -= 1) expect(take(0)).toMatchObject({ allowed: true, remaining: n });
    expect(take(0)).toEqual({ allowed: false, remaining: 0, retryAfterS: 1 });
    expect(take(999).allowed).toBe(false);
    expect(take(1_000)).toMatchObject({ allowed: true, remaining: 0 });
    expect(take(3_600_000)).toMatchObject({ allowed: true, remaining: 9 });
  });

  it.each([
    { perMinute: 0, burst: 1 },
    { perMinute: -1, burst: 1 },
    { perMinute: 1, burst: 0 },
    { perMinute: Number.NaN, burst: 1 },
  ])('refuses a bucket of %o', size => {
    expect(() => gcra(size, 0, undefined)).toThrow(RangeError);
  });
});

describe('in process', () => {
  it('forgets the bucket unused longest when there are too many', async () => {
    const limiter = createProcessRateLimiter({ bucketsMax: 2 });
    const one = { perMinute: 1, burst: 1 };
    const take = async (bucket: string) => (await limiter.take(bucket, one)).allowed;
    expect([await take('a'), await take('b'), await take('a')]).toEqual([true, true, false]);
    expect(await take('c')).toBe(true);
    expect([await take('a'), await take('b')]).toEqual([false, true]);
  });
});

describe('in Redis', () => {
  it('shares buckets between replicas, and their keys expire when full', async () => {
    const { host, port } = await sharedRedis();
    const redis = await openRedis(port, host);
    const replicas = [createRedisRateLimiter({ redis }), createRedisRateLimiter({ redis })];
    const answers = [];
    for (let n = 0; n < 4; n += 1) answers.push(await replicas[n % 2]!.take('shared', SLOW));
    expect(answers.map(({ allowed }) => allowed)).toEqual([true, true, true, false]);
    const ttlMs = await redis.command(['PTTL', redis.name('limit:shared')], 5_000);
    expect(ttlMs).toBeGreaterThan(150_000);
    expect(ttlMs).toBeLessThanOrEqual(180_000);
    await redis.close();
  });

  describe('when Redis goes away', () => {
    let service: RedisService;
    let redis: Redis;
    beforeAll(async () => {
      service = await startRedis();
      redis = await openRedis(service.port);
    });
    afterAll(async () => {
      await redis.close();
      await service.stop();
    });

    it('counts by itself without throwing, logs it once, and returns', async () => {
      const telemetry = await recordTelemetry();
      let nowMs = 0;
      const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
      const limiter = createRedisRateLimiter({ redis, telemetry, clock });
      const gauge = () => telemetry.metric('holdfast_rate_limiter_fallback');
      expect(await limiter.take('x', SLOW)).toMatchObject({ allowed: true, remaining: 2 });
      expect(await gauge()).toBe(0);
      await service.stop();
      const answers = [];
      for (let n = 0; n < 4; n += 1) {
        nowMs += 1;
        answers.push((await limiter.take('x', SLOW)).allowed);
      }
      expect(answers).toEqual([true, true, true, false]);
      nowMs += REDIS_PAUSE_MS;
      expect((await limiter.take('x', SLOW)).allowed).toBe(false);
      expect(telemetry.events()).toEqual(['rate_limiter.fallback']);
      expect(await gauge()).toBe(1);
      await expect(limiter.ping(100)).rejects.toMatchObject({ code: 'unavailable' });
      service = await startRedis({ port: service.port });
      await vi.waitFor(() => expect(redis.ready).toBe(true), WAIT);
      // Not asked before the pause is over.
      expect((await limiter.take('x', SLOW)).allowed).toBe(false);
      nowMs += REDIS_PAUSE_MS;
      // A new Redis has forgotten the script and the bucket.
      expect(await limiter.take('x', SLOW)).toMatchObject({ allowed: true, remaining: 2 });
      expect(telemetry.events()).toEqual(['rate_limiter.fallback', 'rate_limiter.recovered']);
      expect(await gauge()).toBe(0);
      await limiter.close();
      await telemetry.close();
    }, 120_000);

    it('waits a bounded time for a Redis that hangs, and then not at all', async () => {
      const limiter = createRedisRateLimiter({ redis });
      process.kill(service.pid, 'SIGSTOP');
      const takes = Array.from({ length: 20 }, () =>
        limiter.take('hang', { perMinute: 1, burst: 5 }),
      );
      const answers = await Promise.all(takes);
      expect(answers.filter(({ allowed }) => allowed)).toHaveLength(5);
      expect((await limiter.take('hang', { perMinute: 1, burst: 5 })).allowed).toBe(false);
      process.kill(service.pid, 'SIGCONT');
      await limiter.close();
    });
  });
});
