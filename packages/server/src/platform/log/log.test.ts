import { EVENT_DATA_MAX_BYTES } from '@holdfast/protocol';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import { newId, newUuidV7 } from '../../kernel/index.ts';
import type { Database } from '../database/index.ts';
import { forEachPostgres } from '../database/testing.ts';
import { APPEND_MAX_EVENTS, type AppendRequest, type Log, type NewEvent } from './log.ts';
import { openTestLog, type TestLog } from './testing.ts';

const ended: NewEvent = {
  type: 'session.ended',
  data: { reason: 'client', duration_s: 1, close_code: null },
};

function spoke(text: string): NewEvent {
  const data = { item_id: 'item_1', usage_seconds: null, cost_usd: null };
  return { type: 'transcript.user', data, private: { text } };
}

function request(subject: string, parts: Partial<AppendRequest> = {}): AppendRequest {
  return { subject, actor: 'usr_test', appendId: newUuidV7(), events: [ended], ...parts };
}

async function readAll(database: Database, log: Log, subject: string, includePrivate = true) {
  return log.read(database.db, { subject, after: 0, limit: 1_000, includePrivate });
}

forEachPostgres((_, open) => {
  let database: Database;
  let log: Log;
  let newSession: TestLog['newSession'];
  beforeAll(async () => {
    database = await open();
    ({ log, newSession } = openTestLog(database));
  });

  describe('append refuses', () => {
    const surplus = { ...ended.data, surplus: true };
    const cases: [string, Partial<AppendRequest>, string][] = [
      ['no events', { events: [] }, 'invalid_request'],
      ['too many events', { events: Array(APPEND_MAX_EVENTS + 1).fill(ended) }, 'invalid_request'],
      ['an append id that is no UUID', { appendId: 'again' }, 'invalid_request'],
      ['an empty actor', { actor: '' }, 'invalid_request'],
      ['a field not declared', { events: [{ ...ended, data: surplus }] }, 'invalid_request'],
      ['a missing field', { events: [{ ...ended, data: {} }] }, 'invalid_request'],
      ['a strange trace id', { events: [{ ...ended, traceId: 'x' }] }, 'invalid_request'],
      [
        'a private field among the public ones',
        { events: [{ ...spoke(''), data: { item_id: 'i', usage_seconds: null, text: 'secret' } }] },
        'invalid_request',
      ],
      [
        'a private field not declared',
        { events: [{ ...ended, private: { text: 'x' } }] },
        'invalid_request',
      ],
      [
        'data that is too large',
        { events: [spoke('x'.repeat(EVENT_DATA_MAX_BYTES))] },
        'payload_too_large',
      ],
      ['a stale fence', { fence: 7 }, 'conflict'],
    ];
    it.each(cases)('%s', async (_name, parts, code) => {
      const subject = await newSession();
      await expect(log.appendNow(request(subject, parts))).rejects.toMatchObject({ code });
      expect(await readAll(database, log, subject)).toEqual([]);
      expect((await log.subject(database.db, subject))?.lastSeq).toBe(0);
    });

    it('a type that is not in the catalogue', async () => {
      const unknown = { type: 'session.exploded', data: {} } as unknown as NewEvent;
      const refused = log.appendNow(request(await newSession(), { events: [unknown] }));
      await expect(refused).rejects.toMatchObject({ code: 'invalid_request', field: 'type' });
    });

    it('an event of another kind of work', async () => {
      const subject = await newSession();
      await sql`update subjects set kind = 'run' where id = ${subject}`.execute(database.db);
      await expect(log.appendNow(request(subject))).rejects.toMatchObject({ field: 'type' });
    });

    it('a subject that does not exist, naming no value in the error', async () => {
      const refused = log.appendNow(request('ses_none'));
      await expect(refused).rejects.toMatchObject({ code: 'not_found' });
      const leaked = log.appendNow(
        request('ses_none', { events: [{ ...ended, data: { reason: 17, secret: 'hunter2' } }] }),
      );
      await expect(leaked).rejects.not.toThrow(/hunter2|17/);
    });
  });

  it('takes data of exactly the largest size', async () => {
    const subject = await newSession();
    const frame = JSON.stringify(spoke('').data).length + JSON.stringify({ text: '' }).length;
    const text = 'x'.repeat(EVENT_DATA_MAX_BYTES - frame);
    expect(await log.appendNow(request(subject, { events: [spoke(text)] }))).toEqual([1]);
    expect((await readAll(database, log, subject))[0]?.data.text).toBe(text);
  });

  it('rolls back the whole transaction when the fence is stale', async () => {
    const subject = await newSession();
    const other = await newSession();
    const work = database.transaction(async trx => {
      await sql`update subjects set project_id = 'prj_changed' where id = ${other}`.execute(trx);
      await log.append(trx, request(subject, { fence: 3 }));
    });
    await expect(work).rejects.toMatchObject({ code: 'conflict' });
    expect((await log.subject(database.db, other))?.projectId).toBe('prj_test');
  });

  it('answers a repeated append id with its numbers, even after the fence moved', async () => {
    const subject = await newSession();
    const first = request(subject, { events: [ended, ended], fence: 0 });
    expect(await log.appendNow(first)).toEqual([1, 2]);
    expect(await log.appendNow(request(subject))).toEqual([3]);
    await sql`update subjects set fence = fence + 1 where id = ${subject}`.execute(database.db);
    expect(await log.appendNow(first)).toEqual([1, 2]);
    expect(await readAll(database, log, subject)).toHaveLength(3);
    const misused = { ...first, events: [ended] };
    await expect(log.appendNow(misused)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('writes once what is appended twice at the same time', async () => {
    const subject = await newSession();
    const same = request(subject, { events: [ended, ended] });
    for (const result of await Promise.allSettled([log.appendNow(same), log.appendNow(same)])) {
      if (result.status === 'fulfilled') expect(result.value).toEqual([1, 2]);
      else expect(result.reason).toMatchObject({ code: 'unavailable' });
    }
    expect(await log.appendNow(same)).toEqual([1, 2]);
    expect(await readAll(database, log, subject)).toHaveLength(2);
  });

  it('accepts events about the log itself in every log', async () => {
    const dropped: NewEvent = { type: 'journal.dropped', data: { count: 2 } };
    for (const kind of ['session', 'run'] as const) {
      const id = newId(kind === 'run' ? 'run' : 'ses');
      const subject = { id, kind, projectId: 'prj_test', createdBy: 'usr_test' };
      await database.transaction(trx => log.create(trx, subject));
      expect(await log.appendNow(request(id, { events: [dropped] }))).toEqual([1]);
    }
  });

  it('lets one append id stand in two logs', async () => {
    const appendId = newUuidV7();
    for (const subject of [await newSession(), await newSession()]) {
      expect(await log.appendNow(request(subject, { appendId }))).toEqual([1]);
    }
  });

  it('keeps what JSON allows and SQL text does not', async () => {
    const subject = await newSession();
    const reason = 'nul \0, half a pair \ud800, 日本語';
    const data = { reason, duration_s: 0.1, close_code: null };
    await log.appendNow(request(subject, { events: [{ type: 'session.ended', data }] }));
    expect((await readAll(database, log, subject))[0]?.data).toEqual(data);
  });

  it('gives an event the trace of its append, else that of the first event', async () => {
    const subject = await newSession();
    const [first, own] = ['a'.repeat(32), 'b'.repeat(32)];
    await log.appendNow(request(subject, { traceId: first }));
    await log.appendNow(request(subject));
    await log.appendNow(request(subject, { traceId: own, events: [ended, ended] }));
    const traces = (await readAll(database, log, subject)).map(event => event.trace_id);
    expect(traces).toEqual([first, first, own, own]);
  });

  it('answers envelopes, and leaves private fields out unless asked', async () => {
    const subject = await newSession();
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const events = [{ ...spoke('good morning'), traceId }, ended];
    const asked = request(subject, { events, attempt: 2 });
    await log.appendNow(asked);
    const common = { subject, v: 1, actor: 'usr_test', attempt: 2, append_id: asked.appendId };
    const spoken = { ...common, seq: 1, type: 'transcript.user', trace_id: traceId };
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/);
    const last = { ...common, seq: 2, type: 'session.ended', trace_id: null, data: ended.data, at };
    const data = { item_id: 'item_1', usage_seconds: null, cost_usd: null };
    const redacted = await readAll(database, log, subject, false);
    expect(redacted).toEqual([{ ...spoken, at, data, redacted: true }, last]);
    const whole = await readAll(database, log, subject);
    expect(whole).toEqual([{ ...spoken, at, data: { ...data, text: 'good morning' } }, last]);
  });

  it('stores no private text in the clear', async () => {
    const subject = await newSession();
    await log.appendNow(request(subject, { events: [spoke('the launch code')] }));
    const { rows } = await sql<{ row: string }>`
      select events::text as row from events where subject = ${subject}`.execute(database.db);
    const bytes = Buffer.from('the launch code').toString('hex');
    expect(rows[0]?.row).not.toMatch(new RegExp(`launch|${bytes}`));
  });

  it('gives each event of an append its own private text', async () => {
    const subject = await newSession();
    const texts = ['', 'a', 'zwei Wörter', '三つの言葉', 'x'.repeat(5_000), '\0'];
    const events = texts.flatMap(text => [ended, spoke(text)]);
    await log.appendNow(request(subject, { events }));
    const read = (await readAll(database, log, subject)).map(event => event.data.text);
    expect(read).toEqual(texts.flatMap(text => [undefined, text]));
  });

  it('reads in pages from any position', async () => {
    const subject = await newSession();
    await log.appendNow(request(subject, { events: Array(5).fill(ended) }));
    const page = { subject, includePrivate: false };
    const seqs = async (after: number, limit: number) =>
      (await log.read(database.db, { ...page, after, limit })).map(event => event.seq);
    expect(await seqs(0, 2)).toEqual([1, 2]);
    expect(await seqs(2, 2)).toEqual([3, 4]);
    expect(await seqs(4, 2)).toEqual([5]);
    expect(await seqs(5, 2)).toEqual([]);
  });

  it('erases for good and leaves a tombstone', async () => {
    const subject = await newSession();
    await log.appendNow(request(subject, { events: [spoke('forget me')] }));
    for (const _ of [1, 2]) {
      await database.transaction(trx => log.erase(trx, subject));
      expect(await readAll(database, log, subject)).toEqual([]);
    }
    const tombstone = await log.subject(database.db, subject);
    expect(tombstone).toMatchObject({ id: subject, lastSeq: 1, erasedAt: expect.any(Date) });
    await expect(log.appendNow(request(subject))).rejects.toMatchObject({ code: 'gone' });
    const absent = database.transaction(trx => log.erase(trx, 'ses_none'));
    await expect(absent).rejects.toMatchObject({ code: 'not_found' });
  });

  it('knows no subject that was never created', async () => {
    expect(await log.subject(database.db, 'ses_none')).toBeNull();
  });
});
