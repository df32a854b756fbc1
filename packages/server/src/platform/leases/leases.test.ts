import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Clock, newUuidV7 } from '../../kernel/index.ts';
import { type Database, openPostgres } from '../database/index.ts';
import {
  createTestDatabase,
  forEachPostgres,
  type TestPostgresDatabase,
} from '../database/testing.ts';
import type { Log } from '../log/index.ts';
import { openTestLog, recordTelemetry } from '../log/testing.ts';
import { createLeases, type Leases } from './index.ts';
import {
  HEARTBEAT_INTERVAL_MS,
  LEASE_SELF_FENCE_MS,
  LEASE_TTL_MS,
  REPLICA_KEPT_MS,
} from './leases.ts';

const self = { revision: 'blue', roles: ['gateway', 'worker'] };

async function startReplica(database: Database): Promise<Leases> {
  const leases = createLeases({ database, ...self });
  await leases.start();
  return leases;
}

/** Makes a replica look as if it last beat `ms` ago, by the database's clock. */
async function silence(database: Database, replica: string, ms: number): Promise<void> {
  await sql`update replicas set beat_at = clock_timestamp() - ${ms} * interval '1 millisecond'
    where id = ${replica}`.execute(database.db);
}

function acquire(database: Database, leases: Leases, subject: string) {
  return database.transaction(trx => leases.acquire(trx, subject));
}

forEachPostgres((_, open) => {
  let database: Database;
  let log: Log;
  let newSession: () => Promise<string>;
  let [a, b]: Leases[] = [];

  beforeAll(async () => {
    database = await open();
    ({ log, newSession } = openTestLog(database));
    [a, b] = [await startReplica(database), await startReplica(database)];
  });
  afterAll(async () => {
    await a!.stop();
    await b!.stop();
  });

  it('cannot be taken of what does not exist or was erased, nor before the start', async () => {
    await expect(acquire(database, a!, 'ses_none')).rejects.toMatchObject({ code: 'not_found' });
    const erased = await newSession();
    await database.transaction(trx => log.erase(trx, erased));
    await expect(acquire(database, a!, erased)).rejects.toMatchObject({ code: 'gone' });
    const unstarted = createLeases({ database, ...self });
    await expect(acquire(database, unstarted, await newSession())).rejects.toThrow(/started/);
    await unstarted.stop();
  });

  it('is refused while the holder lives, the holder itself included', async () => {
    const subject = await newSession();
    const lease = await acquire(database, a!, subject);
    expect(lease).toEqual({ subject, replica: a!.replica, fence: 1 });
    expect(await acquire(database, b!, subject)).toBeNull();
    expect(await acquire(database, a!, subject)).toBeNull();
    expect((await log.subject(database.db, subject))?.fence).toBe(1);
  });

  it('moves when released, with a larger fence that shuts the former holder out', async () => {
    const subject = await newSession();
    const former = (await acquire(database, a!, subject))!;
    await a!.release(database.db, former);
    const lease = await acquire(database, b!, subject);
    expect(lease).toEqual({ subject, replica: b!.replica, fence: 2 });
    await a!.release(database.db, former);
    expect(await acquire(database, a!, subject)).toBeNull();
    const event = { type: 'session.ended', data: { reason: 'x', duration_s: 0 } } as const;
    const append = { subject, actor: 'a', appendId: newUuidV7(), events: [event], fence: 1 };
    await expect(log.appendNow(append)).rejects.toMatchObject({ code: 'conflict' });
    expect(await log.appendNow({ ...append, fence: 2 })).toEqual([1]);
  });

  it('expires with its holder, by the time to live, and can be taken then', async () => {
    const doomed = await startReplica(database);
    const subject = await newSession();
    await acquire(database, doomed, subject);
    await silence(database, doomed.replica, LEASE_TTL_MS - 5_000);
    expect(await a!.expired(database.db, 'session', 10)).not.toContain(subject);
    expect(await acquire(database, a!, subject)).toBeNull();
    await silence(database, doomed.replica, LEASE_TTL_MS + 1);
    expect(await a!.expired(database.db, 'session', 10)).toContain(subject);
    expect(await a!.expired(database.db, 'run', 10)).toEqual([]);
    expect(await acquire(database, a!, subject)).toMatchObject({ fence: 2 });
    expect(await a!.expired(database.db, 'session', 10)).not.toContain(subject);
    await doomed.stop();
  });

  it('is not given to a replica that the others consider dead', async () => {
    const silent = await startReplica(database);
    await silence(database, silent.replica, LEASE_TTL_MS + 1);
    const subject = await newSession();
    const refused = acquire(database, silent, subject);
    await expect(refused).rejects.toMatchObject({ code: 'unavailable' });
    expect(await acquire(database, a!, subject)).toMatchObject({ fence: 1 });
    await silent.stop();
  });

  it('is found in the table, whether its holder knows of it or not', async () => {
    const [mine, theirs, free] = [await newSession(), await newSession(), await newSession()];
    const lease = await acquire(database, a!, mine);
    await acquire(database, b!, theirs);
    expect(await a!.held(database.db, [mine, theirs, free])).toEqual([lease]);
    await a!.release(database.db, lease!);
    expect(await a!.held(database.db, [mine, theirs, free])).toEqual([]);
  });

  it('is free at once when its holder stops', async () => {
    const leaving = await startReplica(database);
    const subject = await newSession();
    await acquire(database, leaving, subject);
    await leaving.stop();
    expect(await a!.expired(database.db, 'session', 1)).toEqual([subject]);
    expect(await acquire(database, b!, subject)).toMatchObject({ fence: 2 });
  });

  it('rolls back with the transaction that took it', async () => {
    const subject = await newSession();
    const work = database.transaction(async trx => {
      await a!.acquire(trx, subject);
      throw new Error('changed our mind');
    });
    await expect(work).rejects.toThrow('changed our mind');
    expect(await acquire(database, b!, subject)).toMatchObject({ fence: 1 });
  });
});

describe('heartbeats', () => {
  let server: TestPostgresDatabase;
  let database: Database;
  beforeAll(async () => {
    server = await createTestDatabase();
    database = await openPostgres({ url: server.url, poolSize: 2, maxOverflow: 20 });
  });
  afterAll(async () => {
    await database.close();
    await server.drop();
  });

  it('name the process, and go on by themselves', async () => {
    const leases = createLeases({ database, ...self, address: 'http://10.0.0.7:8080' });
    expect(leases.sinceHeartbeatMs()).toBe(Number.POSITIVE_INFINITY);
    await leases.start();
    const row = async () => {
      const { rows } = await sql<{ beat_at: Date; age: number }>`
        select id, revision, roles, address, beat_at,
          extract(epoch from clock_timestamp() - beat_at)::float8 as age
        from replicas where id = ${leases.replica}`.execute(database.db);
      return rows[0]!;
    };
    const first = await row();
    expect(first).toMatchObject({
      id: leases.replica,
      revision: 'blue',
      roles: 'gateway,worker',
      address: 'http://10.0.0.7:8080',
    });
    const later = { timeout: HEARTBEAT_INTERVAL_MS * 4 };
    await vi.waitFor(async () => {
      expect((await row()).beat_at.getTime()).toBeGreaterThan(first.beat_at.getTime());
    }, later);
    expect(leases.sinceHeartbeatMs()).toBeLessThan(LEASE_SELF_FENCE_MS);
    await leases.stop();
    expect(await row()).toBeUndefined();
  });

  it('measure on the monotonic clock how long they have failed, and recover', async () => {
    const telemetry = await recordTelemetry();
    let nowMs = 1_000;
    const clock: Clock = { nowMs: () => 0, monotonicMs: () => nowMs };
    const leases = createLeases({ database, ...self, clock, telemetry });
    await leases.start();
    await sql`alter table replicas rename to away`.execute(database.db);
    nowMs += LEASE_SELF_FENCE_MS;
    const wait = { timeout: HEARTBEAT_INTERVAL_MS * 5 };
    await vi.waitFor(() => expect(telemetry.events()).toEqual(['lease.heartbeat_failed']), wait);
    expect(leases.sinceHeartbeatMs()).toBe(LEASE_SELF_FENCE_MS);
    expect(await telemetry.metric('holdfast_heartbeat_age_seconds')).toBe(10);
    await sql`alter table away rename to replicas`.execute(database.db);
    await vi.waitFor(() => expect(leases.sinceHeartbeatMs()).toBe(0), wait);
    expect(telemetry.events()).toEqual(['lease.heartbeat_failed', 'lease.heartbeat_recovered']);
    await leases.stop();
    await telemetry.close();
  });

  it('sweep rows of replicas that are long dead, and only those', async () => {
    const [dead, quiet] = [await startReplica(database), await startReplica(database)];
    await silence(database, dead.replica, REPLICA_KEPT_MS + 1_000);
    await silence(database, quiet.replica, REPLICA_KEPT_MS - 60_000);
    const sweeper = await startReplica(database);
    const { rows } = await sql<{ id: string }>`select id from replicas`.execute(database.db);
    const ids = rows.map(row => row.id);
    expect(ids).not.toContain(dead.replica);
    expect(ids).toContain(quiet.replica);
    await Promise.all([dead, quiet, sweeper].map(leases => leases.stop()));
  });

  it('cannot start when the database does not take the first', async () => {
    const away = await openPostgres({ url: server.url, poolSize: 1 });
    await away.close();
    const leases = createLeases({ database: away, ...self });
    await expect(leases.start()).rejects.toThrow();
    expect(leases.sinceHeartbeatMs()).toBe(Number.POSITIVE_INFINITY);
    await leases.stop();
  });
});

describe('of 20 contenders on PostgreSQL', () => {
  let server: TestPostgresDatabase;
  let database: Database;
  let replicas: Leases[];
  beforeAll(async () => {
    server = await createTestDatabase();
    database = await openPostgres({ url: server.url, poolSize: 0, maxOverflow: 20 });
    replicas = await Promise.all(Array.from({ length: 20 }, () => startReplica(database)));
  });
  afterAll(async () => {
    await Promise.all(replicas.map(leases => leases.stop()));
    await database.close();
    await server.drop();
  });

  it('one wins each round, and the fence only grows', async () => {
    const { newSession } = openTestLog(database);
    const subject = await newSession();
    let absent: Leases | undefined;
    for (let round = 1; round <= 10; round += 1) {
      const contenders = replicas.filter(one => one !== absent);
      const tries = await Promise.all(contenders.map(one => acquire(database, one, subject)));
      const won = tries.filter(lease => lease !== null);
      expect(won).toHaveLength(1);
      expect(won[0]?.fence).toBe(round);
      const winner = replicas.find(one => one.replica === won[0]?.replica)!;
      if (absent !== undefined) await silence(database, absent.replica, 0);
      // Every other round the holder gives its lease up; in between it dies for a round.
      absent = round % 2 === 0 ? undefined : winner;
      if (absent === undefined) await winner.release(database.db, won[0]!);
      else await silence(database, winner.replica, LEASE_TTL_MS + 1_000);
    }
  });

  it('a replica that started while the others waited for the row can win', async () => {
    const { newSession } = openTestLog(database);
    const subject = await newSession();
    const gate = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const young = createLeases({ database, ...self });
    // One holds the row, becomes a replica meanwhile, and takes the lease; others queue behind it.
    const first = database.transaction(async trx => {
      await sql`select from subjects where id = ${subject} for update`.execute(trx);
      locked.resolve();
      await gate.promise;
      return young.acquire(trx, subject);
    });
    await locked.promise;
    const others = replicas.slice(0, 10).map(one => acquire(database, one, subject));
    await vi.waitFor(async () => {
      const { rows } = await sql<{ waiting: number }>`select count(*) as waiting
        from pg_locks where not granted`.execute(database.db);
      expect(rows[0]?.waiting).toBeGreaterThan(0);
    }, 5_000);
    await young.start();
    gate.resolve();
    expect(await first).toMatchObject({ fence: 1 });
    expect(await Promise.all(others)).toEqual(Array(10).fill(null));
    await young.stop();
  });
});
