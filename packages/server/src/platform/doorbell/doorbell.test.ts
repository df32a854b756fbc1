import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RedisService, startRedis } from '../../../../../tools/services/redis.ts';
import { sharedRedis } from '../../../../../tools/services/shared.ts';
import { type Database, openPostgres } from '../database/index.ts';
import { createTestDatabase, type TestPostgresDatabase } from '../database/testing.ts';
import { recordTelemetry } from '../log/testing.ts';
import { createRedis, type Redis } from '../redis/index.ts';
import { Coalescer, RINGS_PENDING_MAX } from './coalescer.ts';
import type { Doorbell } from './doorbell.ts';
import { createPostgresDoorbell, createRedisDoorbell } from './index.ts';
import { MESSAGE_MAX_BYTES, messages } from './network-doorbell.ts';
import { createProcessDoorbell } from './testing.ts';

const WAIT = { timeout: 10_000, interval: 10 };

interface Bells {
  /** A doorbell as another process would open it; the same one where there is only one process. */
  open(): Promise<Doorbell>;
  close(): Promise<void>;
}

const adapters: Record<string, () => Promise<Bells>> = {
  async 'in process'() {
    const doorbell = createProcessDoorbell();
    return { open: async () => doorbell, close: async () => {} };
  },

  async PostgreSQL() {
    const server = await createTestDatabase();
    const databases: Database[] = [];
    return {
      async open() {
        const database = await openPostgres({ url: server.url, poolSize: 1 });
        databases.push(database);
        return createPostgresDoorbell({ database });
      },
      async close() {
        await Promise.all(databases.map(database => database.close()));
        await server.drop();
      },
    };
  },

  async Redis() {
    const { host, port } = await sharedRedis();
    const connections: Redis[] = [];
    const prefix = `${process.pid}:${performance.now()}:`;
    return {
      async open() {
        const redis = createRedis({ host, port, prefix });
        connections.push(redis);
        await vi.waitFor(() => expect(redis.ready).toBe(true), WAIT);
        return createRedisDoorbell({ redis });
      },
      async close() {
        await Promise.all(connections.map(redis => redis.close()));
      },
    };
  },
};

describe.each(Object.entries(adapters))('a doorbell %s', (_, start) => {
  let bells: Bells;
  let here: Doorbell;
  let there: Doorbell;
  beforeAll(async () => {
    bells = await start();
    [here, there] = [await bells.open(), await bells.open()];
  });
  afterAll(async () => {
    await here.close();
    await there.close();
    here.ring('after close');
    await bells.close();
  });

  /** Rings until a listener is called: subscriptions over a network take effect a little later. */
  async function hears(listener: Doorbell, ringer: Doorbell, subject: string): Promise<void> {
    const heard = new Set<string>();
    const stop = listener.onRing(subjects => {
      for (const one of subjects) heard.add(one);
    });
    await vi.waitFor(() => {
      ringer.ring(subject);
      expect(heard).toContain(subject);
    }, WAIT);
    stop();
  }

  it('answers a ping', async () => {
    await here.ping(5_000);
  });

  it('rings in its own process and in others', async () => {
    await hears(here, here, 'ses_a');
    await hears(there, here, 'ses_b');
    await hears(here, there, 'ses_c');
  });

  it('merges rings that come together, and rings once in its own process', async () => {
    await hears(there, here, 'ses_ready');
    const heard: string[] = [];
    const stop = here.onRing(subjects => heard.push(...subjects));
    for (let n = 0; n < 100; n += 1) here.ring(`ses_${n % 3}`);
    expect(heard).toEqual([]);
    await hears(there, here, 'ses_after');
    // Messages keep their order, so our own ones have come back before this one comes.
    await hears(here, there, 'ses_back');
    stop();
    const merged = heard.filter(subject => /^ses_\d$/.test(subject));
    expect(merged).toEqual(['ses_0', 'ses_1', 'ses_2']);
  });

  it('carries more subjects than one message holds', async () => {
    await hears(there, here, 'ses_ready');
    const names = Array.from({ length: 500 }, (_, n) => `ses_${String(n).padStart(32, '0')}`);
    const heard = new Set<string>();
    const stop = there.onRing(subjects => {
      for (const subject of subjects) heard.add(subject);
    });
    for (const name of names) here.ring(name);
    await vi.waitFor(() => expect(names.filter(name => !heard.has(name))).toEqual([]), WAIT);
    stop();
  });

  it('notifies the others although one listener throws, and none that unsubscribed', async () => {
    const left = vi.fn();
    here.onRing(left)();
    const stop = here.onRing(() => {
      throw new Error('deaf');
    });
    await hears(here, here, 'ses_x');
    stop();
    expect(left).not.toHaveBeenCalled();
  });
});

describe('rings over Redis', () => {
  let service: RedisService;
  const opened: Redis[] = [];
  beforeAll(async () => {
    service = await startRedis();
  });
  afterAll(async () => {
    await Promise.all(opened.map(redis => redis.close()));
    await service.stop();
  });

  it('stay in the process while Redis is away, and resume when it is back', async () => {
    const telemetry = await recordTelemetry();
    const open = async () => {
      const redis = createRedis({ host: '127.0.0.1', port: service.port });
      opened.push(redis);
      await vi.waitFor(() => expect(redis.ready).toBe(true), WAIT);
      return createRedisDoorbell({ redis, telemetry });
    };
    const [here, there] = [await open(), await open()];
    const heard: string[] = [];
    here.onRing(subjects => heard.push(...subjects.map(subject => `here ${subject}`)));
    there.onRing(subjects => heard.push(...subjects.map(subject => `there ${subject}`)));
    const rung = async (subject: string, ear: string) => {
      await vi.waitFor(() => {
        here.ring(subject);
        expect(heard).toContain(`${ear} ${subject}`);
      }, WAIT);
    };
    await rung('ses_before', 'there');
    await service.stop();
    const { length } = heard;
    await rung('ses_during', 'here');
    await vi.waitFor(() => expect(telemetry.events()).toContain('doorbell.away'), WAIT);
    expect(heard.slice(length)).not.toContain('there ses_during');
    expect(await telemetry.metric('holdfast_doorbell_dropped_total')).toBeGreaterThan(0);
    await expect(here.ping(1_000)).rejects.toMatchObject({ code: 'unavailable' });
    service = await startRedis({ port: service.port });
    await rung('ses_after', 'there');
    expect(telemetry.events().filter(event => event === 'doorbell.away')).toHaveLength(1);
    await here.close();
    await there.close();
    await telemetry.close();
  }, 120_000);
});

describe('rings over PostgreSQL', () => {
  let server: TestPostgresDatabase;
  afterEach(() => server.drop());

  it('sent from within a transaction go out beside it', async () => {
    server = await createTestDatabase();
    const database = await openPostgres({ url: server.url, poolSize: 2 });
    const [here, there] = [
      await createPostgresDoorbell({ database }),
      await createPostgresDoorbell({ database }),
    ];
    const heard: string[] = [];
    there.onRing(subjects => heard.push(...subjects));
    await database.transaction(async () => {
      here.ring('ses_inside');
      await vi.waitFor(() => expect(heard).toEqual(['ses_inside']), WAIT);
    });
    await here.close();
    await there.close();
    await database.close();
  });
});

describe('bounds', () => {
  it('pack subjects into messages that PostgreSQL takes, leaving out what fits none', () => {
    const names = Array.from({ length: 1_000 }, (_, n) => `ses_${'é'.repeat(n % 40)}${n}`);
    const odd = ['x'.repeat(MESSAGE_MAX_BYTES), 'two\nlines'];
    const packed = [...messages('origin', [...odd, ...names, ...odd])];
    for (const message of packed) expect(Buffer.byteLength(message)).toBeLessThan(8_000);
    expect(packed.flatMap(message => message.split('\n').slice(1))).toEqual(names);
    expect([...messages('origin', [])]).toEqual([]);
  });

  it('hold rings while one is on its way, and drop and count the surplus', async () => {
    const sent: number[] = [];
    const gate = Promise.withResolvers<void>();
    const dropped = vi.fn();
    const coalescer = new Coalescer(
      async subjects => {
        sent.push(subjects.length);
        await gate.promise;
      },
      { add: dropped },
    );
    coalescer.add('first');
    await vi.waitFor(() => expect(sent).toEqual([1]), WAIT);
    for (let n = 0; n < RINGS_PENDING_MAX + 5; n += 1) coalescer.add(`ses_${n}`);
    expect(dropped).toHaveBeenCalledTimes(5);
    gate.resolve();
    await vi.waitFor(() => expect(sent).toEqual([1, RINGS_PENDING_MAX]), WAIT);
    coalescer.close();
  });
});
