import { EVENT_DATA_MAX_BYTES } from '@holdfast/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { HoldfastError } from '../../kernel/index.ts';
import { type Database, openPostgres } from '../database/index.ts';
import {
  createTestDatabase,
  forEachPostgres,
  type TestPostgresDatabase,
} from '../database/testing.ts';
import { checkEvent } from './check-event.ts';
import {
  createJournal,
  JOURNAL_FLUSH_MAX_MS,
  type Journal,
  type JournalOptions,
} from './journal.ts';
import { JournalBuffer } from './journal-buffer.ts';
import { APPEND_MAX_EVENTS, type AppendRequest, type Log, type NewEvent } from './log.ts';
import { type PostgresProxy, startPostgresProxy } from './testing/postgres-proxy.ts';
import { openTestLog, type RecordedTelemetry, recordTelemetry } from './testing.ts';

const WAIT = { timeout: 15_000, interval: 20 };

function spoke(text: string): NewEvent {
  return {
    type: 'transcript.user',
    data: { item_id: 'i', usage_seconds: null },
    private: { text },
  };
}

/** The texts of a log in order; a gap stands as its count. */
async function texts(database: Database, log: Log, subject: string): Promise<unknown[]> {
  const page = { subject, after: 0, limit: 200, includePrivate: true };
  return (await log.read(database.db, page)).map(event => event.data.text ?? event.data.count);
}

forEachPostgres((_, open) => {
  let database: Database;
  let log: Log;
  let subject: string;
  let newSession: () => Promise<string>;
  const journalOn = (parts: Partial<JournalOptions> = {}) =>
    createJournal({ log, subject, actor: 'replica:rep_test', fence: 0, ...parts });

  beforeAll(async () => {
    database = await open();
    ({ log, newSession } = openTestLog(database));
    subject = await newSession();
  });

  it('appends by itself, in order, many events at once', async () => {
    const journal = journalOn();
    const words = Array.from({ length: 30 }, (_, index) => `word ${index}`);
    for (const word of words) expect(journal.push(spoke(word))).toBe(true);
    await vi.waitFor(() => expect(journal.pending).toBe(0), WAIT);
    expect(await texts(database, log, subject)).toEqual(words);
    const { rows } = await sql`select distinct append_id from events`.execute(database.db);
    expect(rows).toHaveLength(1);
    journal.close();
  });

  it('flushes at once, also when there is nothing to do', async () => {
    const journal = journalOn({ subject: await newSession() });
    expect(await journal.flush(1)).toBe(true);
    journal.push(spoke('last words'));
    expect(await journal.flush(15_000)).toBe(true);
    expect(journal.pending).toBe(0);
    journal.close();
    expect(journal.push(spoke('too late'))).toBe(false);
  });

  it('reports a stale fence once and takes nothing more', async () => {
    const lost = await newSession();
    const onLost = vi.fn();
    const journal = journalOn({ subject: lost, onLost });
    await sql`update subjects set fence = 1 where id = ${lost}`.execute(database.db);
    journal.push(spoke('not mine any more'));
    expect(await journal.flush(15_000)).toBe(false);
    expect(onLost.mock.calls).toEqual([['fence']]);
    expect(journal.push(spoke('still not'))).toBe(false);
    expect(await journal.flush(15_000)).toBe(false);
    expect(await texts(database, log, lost)).toEqual([]);
    journal.close();
  });

  it('reports an erased log', async () => {
    const erased = await newSession();
    const onLost = vi.fn();
    const journal = journalOn({ subject: erased, onLost });
    await database.transaction(trx => log.erase(trx, erased));
    journal.push(spoke('to no one'));
    expect(await journal.flush(15_000)).toBe(false);
    expect(onLost.mock.calls).toEqual([['erased']]);
  });
});

describe('a journal', () => {
  let server: TestPostgresDatabase;
  let proxy: PostgresProxy;
  let database: Database;
  let direct: Database;
  let telemetry: RecordedTelemetry;

  beforeAll(async () => {
    server = await createTestDatabase();
    proxy = await startPostgresProxy(server.url);
    direct = await openPostgres({ url: server.url, poolSize: 1 });
    const connectTimeoutMs = 1_000;
    database = await openPostgres({ url: proxy.url, poolSize: 1, connectTimeoutMs });
    telemetry = await recordTelemetry();
  });
  afterAll(async () => {
    await database.close();
    await direct.close();
    await proxy.close();
    await server.drop();
    await telemetry.close();
  });

  async function open(parts: Partial<JournalOptions> = {}) {
    const { log, newSession } = openTestLog(database);
    const subject = await newSession();
    const actor = 'replica:rep_test';
    const journal = createJournal({ log, subject, actor, fence: 0, telemetry, ...parts });
    // Read through the proxy's back door, with the log's own keys.
    const read = () => texts(database, log, subject);
    return { journal, log, subject, read };
  }

  it('outlasts an outage, losing only the overflow, and records the loss', async () => {
    const { journal, read } = await open({ maxEvents: 4 });
    journal.push(spoke('before'));
    expect(await journal.flush(15_000)).toBe(true);
    proxy.down();
    expect(['a', 'b', 'c', 'd', 'e', 'f'].map(text => journal.push(spoke(text)))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(await journal.flush(50)).toBe(false);
    await vi.waitFor(() => expect(telemetry.events()).toContain('journal.delayed'), WAIT);
    expect(await telemetry.metric('holdfast_journal_lag_seconds')).toBeGreaterThan(0);
    proxy.up();
    expect(await journal.flush(15_000)).toBe(true);
    journal.push(spoke('after'));
    expect(await journal.flush(15_000)).toBe(true);
    expect(await read()).toEqual(['before', 'a', 'b', 'c', 'd', 2, 'after']);
    expect(await telemetry.metric('holdfast_journal_dropped_total')).toBe(2);
    expect(await telemetry.metric('holdfast_journal_lag_seconds')).toBe(0);
    expect(telemetry.events().filter(event => event === 'journal.delayed')).toHaveLength(1);
    expect(telemetry.events()).toContain('journal.recovered');
    journal.close();
  });

  it('does not double what was committed when the answer to COMMIT was lost', async () => {
    const { journal, read } = await open();
    journal.push(spoke('once'));
    proxy.cutNextCommit();
    const { cuts } = proxy;
    expect(await journal.flush(15_000)).toBe(true);
    expect(proxy.cuts).toBe(cuts + 1);
    journal.push(spoke('twice'));
    expect(await journal.flush(15_000)).toBe(true);
    expect(await read()).toEqual(['once', 'twice']);
    journal.close();
  });

  it('drops what the catalogue does not allow, and records the gap', async () => {
    const { journal, read } = await open();
    expect(journal.push(spoke('x'.repeat(EVENT_DATA_MAX_BYTES)))).toBe(false);
    expect(journal.push({ type: 'session.ended', data: { secret: 'hunter2' } })).toBe(false);
    expect(journal.push(spoke('fine'))).toBe(true);
    expect(await journal.flush(15_000)).toBe(true);
    expect(await read()).toEqual([2, 'fine']);
    expect(telemetry.text()).not.toContain('hunter2');
    journal.close();
  });

  it('goes on after a batch that the log refuses', async () => {
    const { journal, subject } = await open();
    await sql`update subjects set kind = 'run' where id = ${subject}`.execute(direct.db);
    journal.push(spoke('in the wrong log'));
    expect(await journal.flush(15_000)).toBe(true);
    expect(journal.pending).toBe(0);
    journal.close();
  });
});

describe('a journal is bounded', () => {
  /** A log that keeps its appends waiting until released. */
  function heldLog() {
    const requests: AppendRequest[] = [];
    const gates: { resolve(): void; reject(error: unknown): void }[] = [];
    const log: Pick<Log, 'appendNow'> = {
      appendNow(request) {
        requests.push(request);
        const { promise, resolve, reject } = Promise.withResolvers<number[]>();
        gates.push({ resolve: () => resolve([]), reject });
        return promise;
      },
    };
    return { log, requests, gates };
  }

  function journalOn(log: Pick<Log, 'appendNow'>, parts: Partial<JournalOptions> = {}): Journal {
    return createJournal({ log, subject: 'ses_x', actor: 'a', fence: 1, ...parts });
  }

  it('in how long events gather', () => {
    const { log } = heldLog();
    expect(() => journalOn(log, { flushMs: JOURNAL_FLUSH_MAX_MS + 1 })).toThrow(RangeError);
    journalOn(log, { flushMs: JOURNAL_FLUSH_MAX_MS }).close();
  });

  it('in bytes, keeping the oldest', () => {
    const { log } = heldLog();
    const journal = journalOn(log, { maxBytes: 100_000 });
    expect(journal.push(spoke('x'.repeat(60_000)))).toBe(true);
    expect(journal.push(spoke('x'.repeat(60_000)))).toBe(false);
    expect(journal.push(spoke('small'))).toBe(true);
    expect(journal.pending).toBe(3);
    journal.close();
  });

  it('in events, with the gap recorded where it was', () => {
    const buffer = new JournalBuffer(3, 1_000_000);
    const push = (text: string) => buffer.push({ event: checkEvent(spoke(text)), atMs: 0 });
    const take = () =>
      buffer.take(0).map(({ event }) => event.private?.text ?? JSON.parse(event.data).count);
    expect(['a', 'b', 'c', 'd', 'e'].map(push)).toEqual([true, true, true, false, false]);
    expect(take()).toEqual(['a', 'b', 'c']);
    // The gap and one more event need two places.
    expect(['f', 'g', 'h'].map(push)).toEqual([true, true, false]);
    expect(take()).toEqual([2, 'f', 'g']);
    expect(take()).toEqual([1]);
    expect(buffer.empty).toBe(true);
  });

  it('in the size of an append, one at a time, its id surviving failures', async () => {
    const { log, requests, gates } = heldLog();
    const journal = journalOn(log, { maxEvents: 1_000, maxBytes: 10_000_000 });
    for (let n = 0; n < APPEND_MAX_EVENTS + 1; n += 1) journal.push(spoke(`${n}`));
    await vi.waitFor(() => expect(requests).toHaveLength(1), WAIT);
    expect(requests[0]?.events).toHaveLength(APPEND_MAX_EVENTS);
    for (let n = 0; n < 20; n += 1) journal.push(spoke('x'.repeat(60_000)));
    gates[0]?.reject(new HoldfastError('unavailable', 'away'));
    await vi.waitFor(() => expect(requests).toHaveLength(2), WAIT);
    expect(requests[1]).toEqual(requests[0]);
    gates[1]?.resolve();
    await vi.waitFor(() => expect(requests).toHaveLength(3), WAIT);
    expect(requests[2]?.appendId).not.toBe(requests[0]?.appendId);
    expect(requests[2]?.events.length).toBeLessThan(10);
    expect(gates).toHaveLength(3);
    journal.close();
    gates[2]?.reject(new Error('after close'));
    expect(journal.pending).toBe(0);
  });

  it('in what pushes can delay: a retry comes however many events are pushed', async () => {
    const { log, requests, gates } = heldLog();
    const journal = journalOn(log);
    journal.push(spoke('first'));
    await vi.waitFor(() => expect(requests).toHaveLength(1), WAIT);
    gates[0]?.reject(new Error('away'));
    const pushing = setInterval(() => journal.push(spoke('more')), 5);
    await vi.waitFor(() => expect(requests).toHaveLength(2), WAIT);
    clearInterval(pushing);
    expect(requests[1]?.appendId).toBe(requests[0]?.appendId);
    journal.close();
  });
});
