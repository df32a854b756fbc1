import type { EventEnvelope } from '@holdfast/protocol';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { newUuidV7 } from '../../kernel/index.ts';
import { type Database, openPostgres } from '../database/index.ts';
import { createTestDatabase, forEachPostgres } from '../database/testing.ts';
import { createProcessDoorbell } from '../doorbell/testing.ts';
import { Followers } from './follow.ts';
import { FOLLOWERS_MAX, type Log, type NewEvent } from './log.ts';
import { createLossyDoorbell, openTestLog, recordTelemetry, type TestLog } from './testing.ts';

const beat: NewEvent = { type: 'session.ended', data: { reason: 'test', duration_s: 0 } };

function appendTo(log: Log, subject: string, count = 1): Promise<number[]> {
  const events = Array(count).fill(beat);
  return log.appendNow({ subject, actor: 'usr_test', appendId: newUuidV7(), events });
}

/** Reads until `count` events have come. */
async function collect(log: Log, subject: string, count: number): Promise<number[]> {
  const aborter = new AbortController();
  const page = { subject, after: 0, limit: 50, includePrivate: false };
  const seqs: number[] = [];
  for await (const batch of log.follow(page, aborter.signal)) {
    seqs.push(...batch.map(event => event.seq));
    if (seqs.length >= count) aborter.abort();
  }
  return seqs;
}

/** The numbers of a follower's next batch, or 'done'. */
async function next(reader: AsyncIterator<EventEnvelope[]>): Promise<number[] | 'done'> {
  const result = await reader.next();
  if (result.done) return 'done';
  const batch: EventEnvelope[] = result.value;
  return batch.map(event => event.seq);
}

forEachPostgres((_, open) => {
  let database: Database;
  let log: Log;
  let newSession: TestLog['newSession'];
  const follow = (subject: string, signal: AbortSignal, after = 0) =>
    log
      .follow({ subject, after, limit: 50, includePrivate: false }, signal)
      [Symbol.asyncIterator]();

  beforeAll(async () => {
    database = await open();
    ({ log, newSession } = openTestLog(database));
  });

  it('shows eight concurrent appenders as 1 to N in order', async () => {
    const subject = await newSession();
    const [appenders, appends] = [8, 12];
    const seen = collect(log, subject, appenders * appends);
    const append = async () => {
      for (let n = 0; n < appends; n += 1) await appendTo(log, subject);
    };
    await Promise.all(Array.from({ length: appenders }, append));
    expect(await seen).toEqual(Array.from({ length: appenders * appends }, (_, i) => i + 1));
    const times = await sql<{ inverted: number }>`
      select count(*) as inverted from events a join events b on a.subject = b.subject
      where a.subject = ${subject} and a.seq < b.seq and a.created_at > b.created_at
    `.execute(database.db);
    expect(times.rows[0]?.inverted).toBe(0);
  });

  it('resumes after a position and reads more than a page', async () => {
    const subject = await newSession();
    await appendTo(log, subject, 120);
    const aborter = new AbortController();
    const reader = follow(subject, aborter.signal, 10);
    const seqs: number[] = [];
    for (const size of [50, 50, 10]) {
      const batch = await next(reader);
      expect(batch).toHaveLength(size);
      seqs.push(...(batch as number[]));
    }
    expect(seqs).toEqual(Array.from({ length: 110 }, (_, index) => index + 11));
    aborter.abort();
    expect(await next(reader)).toBe('done');
  });

  it('delivers by the poll alone when every ring is lost', async () => {
    const lossy = openTestLog(database, { doorbell: createLossyDoorbell() });
    const subject = await lossy.newSession();
    const aborter = new AbortController();
    const page = { subject, after: 0, limit: 50, includePrivate: false };
    const reader = lossy.log.follow(page, aborter.signal)[Symbol.asyncIterator]();
    const first = next(reader);
    await appendTo(lossy.log, subject);
    expect(await first).toEqual([1]);
    const second = next(reader);
    await appendTo(lossy.log, subject, 2);
    expect(await second).toEqual([2, 3]);
    aborter.abort();
    expect(await next(reader)).toBe('done');
  });

  it('ends when aborted while it waits', async () => {
    const aborter = new AbortController();
    const waiting = next(follow(await newSession(), aborter.signal));
    aborter.abort();
    expect(await waiting).toBe('done');
    expect(await next(follow(await newSession(), aborter.signal))).toBe('done');
  });

  it('ends when the log is erased', async () => {
    const subject = await newSession();
    await appendTo(log, subject);
    const reader = follow(subject, new AbortController().signal);
    await next(reader);
    const last = next(reader);
    await database.transaction(trx => log.erase(trx, subject));
    expect(await last).toBe('done');
  });
});

describe('followers', () => {
  it('hold only the batch in hand for a slow consumer', async () => {
    const { url, drop } = await createTestDatabase();
    let reads = 0;
    const echo = (text: string) => {
      if (/^select .* from "events" .* order by "seq"/.test(text)) reads += 1;
    };
    const database = await openPostgres({ url, poolSize: 2, echo });
    const { log, newSession } = openTestLog(database);
    const subject = await newSession();
    await appendTo(log, subject);
    const aborter = new AbortController();
    const page = { subject, after: 0, limit: 2, includePrivate: false };
    const reader = log.follow(page, aborter.signal)[Symbol.asyncIterator]();
    expect(await next(reader)).toEqual([1]);
    expect(reads).toBe(1);
    // The consumer does not ask: nothing is read for it, whatever is appended and rung.
    for (let n = 0; n < 5; n += 1) await appendTo(log, subject);
    expect(reads).toBe(1);
    expect(await next(reader)).toEqual([2, 3]);
    expect(await next(reader)).toEqual([4, 5]);
    expect(await next(reader)).toEqual([6]);
    expect(reads).toBe(4);
    aborter.abort();
    expect(await next(reader)).toBe('done');
    await database.close();
    await drop();
  });

  it('read page after page without waiting for a ring or a poll', async () => {
    const { url, drop } = await createTestDatabase();
    let polls = 0;
    const echo = (text: string) => {
      if (text.includes('any(')) polls += 1;
    };
    const database = await openPostgres({ url, poolSize: 2, echo });
    const { log, newSession } = openTestLog(database, { doorbell: createLossyDoorbell() });
    const subject = await newSession();
    await appendTo(log, subject, 60);
    const aborter = new AbortController();
    const page = { subject, after: 0, limit: 2, includePrivate: false };
    const reader = log.follow(page, aborter.signal)[Symbol.asyncIterator]();
    for (let n = 1; n < 60; n += 2) expect(await next(reader)).toEqual([n, n + 1]);
    // One poll a page would be 29.
    expect(polls).toBeLessThan(15);
    aborter.abort();
    expect(await next(reader)).toBe('done');
    await database.close();
    await drop();
  });

  it('poll outside of the transaction or request that the first one joined in', async () => {
    const { url, drop } = await createTestDatabase();
    const database = await openPostgres({ url, poolSize: 2 });
    let polls = 0;
    const failures: unknown[] = [];
    const followers = new Followers({
      doorbell: createLossyDoorbell(),
      async heads() {
        await database.ping(5_000);
        polls += 1;
        return [];
      },
      onPollState: failure => failures.push(failure),
    });
    await database.transaction(async trx => {
      await sql`select 1`.execute(trx);
      const follower = followers.join('a', 0);
      await vi.waitFor(() => expect(polls + failures.length).toBe(1), { timeout: 5_000 });
      followers.leave(follower);
    });
    expect(failures).toEqual([]);
    await database.close();
    await drop();
  });

  it('share one poll statement and release everything at the end', async () => {
    const doorbell = createProcessDoorbell();
    const heads = vi.fn(async (_: readonly string[]) => []);
    const followers = new Followers({ doorbell, heads });
    const joined = ['a', 'b', 'b', 'c'].map(subject => followers.join(subject, 0));
    await vi.waitFor(() => expect(heads).toHaveBeenCalledTimes(2), { timeout: 5_000 });
    expect(heads.mock.calls[0]).toEqual([['a', 'b', 'c']]);
    for (const follower of joined) followers.leave(follower);
    followers.leave(joined[0]!);
    const { length } = heads.mock.calls;
    const other = followers.join('d', 0);
    await vi.waitFor(() => expect(heads).toHaveBeenCalledTimes(length + 1), { timeout: 5_000 });
    expect(heads.mock.lastCall).toEqual([['d']]);
    followers.leave(other);
  });

  it('are bounded', () => {
    const followers = new Followers({
      doorbell: createLossyDoorbell(),
      heads: async () => [],
    });
    const joined = Array.from({ length: FOLLOWERS_MAX }, () => followers.join('a', 0));
    expect(() => followers.join('a', 0)).toThrowError(
      expect.objectContaining({ code: 'unavailable' }),
    );
    followers.leave(joined[0]!);
    joined[0] = followers.join('a', 0);
    for (const follower of joined) followers.leave(follower);
  });

  it('throw when the first read fails, and try a later one again', async () => {
    const { url, drop } = await createTestDatabase();
    let reads = 0;
    const echo = (text: string) => {
      if (/^select .* from "events"/.test(text)) reads += 1;
    };
    const database = await openPostgres({ url, poolSize: 2, echo });
    const { log, newSession } = openTestLog(database);
    const subject = await newSession();
    const aborter = new AbortController();
    const page = { subject, after: 0, limit: 10, includePrivate: false };
    const follow = () => log.follow(page, aborter.signal)[Symbol.asyncIterator]();
    await appendTo(log, subject);
    const reader = follow();
    expect(await next(reader)).toEqual([1]);
    const later = next(reader);
    await sql`alter table events rename to away`.execute(database.db);
    await expect(next(follow())).rejects.toMatchObject({ code: '42P01' });
    const before = reads;
    log.ring(subject);
    await vi.waitFor(() => expect(reads).toBeGreaterThan(before), 5_000);
    await sql`alter table away rename to events`.execute(database.db);
    await appendTo(log, subject);
    expect(await later).toEqual([2]);
    aborter.abort();
    expect(await next(reader)).toBe('done');
    await database.close();
    await drop();
  });

  it('wait out an outage of the poll and log it once', async () => {
    const telemetry = await recordTelemetry();
    const { url, drop } = await createTestDatabase();
    const database = await openPostgres({ url, poolSize: 0, maxOverflow: 2 });
    const doorbell = createLossyDoorbell();
    const { log, newSession } = openTestLog(database, { doorbell, telemetry });
    const subject = await newSession();
    await appendTo(log, subject);
    const aborter = new AbortController();
    const page = { subject, after: 0, limit: 10, includePrivate: false };
    const reader = log.follow(page, aborter.signal)[Symbol.asyncIterator]();
    expect(await next(reader)).toEqual([1]);
    const after = next(reader);
    await sql`alter table subjects rename to away`.execute(database.db);
    await vi.waitFor(() => expect(telemetry.events()).toContain('log.poll_failed'), 5_000);
    await sql`alter table away rename to subjects`.execute(database.db);
    await appendTo(log, subject);
    expect(await after).toEqual([2]);
    await vi.waitFor(() => expect(telemetry.events()).toContain('log.poll_recovered'), 5_000);
    expect(telemetry.events().filter(event => event === 'log.poll_failed')).toHaveLength(1);
    expect(await telemetry.metric('holdfast_log_followers')).toBe(1);
    aborter.abort();
    await next(reader);
    expect(await telemetry.metric('holdfast_log_followers')).toBe(0);
    await database.close();
    await drop();
    await telemetry.close();
  });
});
