import type { EventEnvelope, SubjectKind } from '@holdfast/protocol';
import { sql } from 'kysely';
import { HoldfastError } from '../../kernel/index.ts';
import type { Database, Executor, Trx } from '../database/index.ts';
import type { Doorbell } from '../doorbell/index.ts';
import type { Sealer } from '../secrets/index.ts';
import type { Telemetry } from '../telemetry/index.ts';
import { append } from './append.ts';
import { Followers, type LogHead } from './follow.ts';
import type { Log, ReadRequest, Subject } from './log.ts';
import { hasAnyOf, pageSize, read, useOf } from './read.ts';
import { logTables } from './tables.ts';

export interface LogOptions {
  readonly database: Database;
  readonly sealer: Sealer;
  readonly doorbell: Doorbell;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

/** The log on SQL. Holds no resource without followers, so there is nothing to close. */
export function createLog(options: LogOptions): Log {
  const { database, sealer, doorbell, telemetry } = options;
  const followers = new Followers({
    doorbell,
    heads: subjects => heads(database.db, subjects),
    meter: telemetry?.meter,
    onPollState: error =>
      error === undefined
        ? telemetry?.log.info('log.poll_recovered')
        : telemetry?.log.warn('log.poll_failed', { error }),
  });
  const appended = telemetry?.meter.createCounter('holdfast_log_events_total');
  return {
    create,
    append: (trx, request) => append(trx, sealer, request),
    async appendNow(request) {
      const numbers = await database.transaction(trx => append(trx, sealer, request));
      appended?.add(numbers.length);
      doorbell.ring(request.subject);
      return numbers;
    },
    ring: subject => doorbell.ring(subject),
    subject: subjectById,
    read: (executor, request) => read(executor, sealer, request),
    useOf,
    hasAnyOf,
    follow: (request, signal) =>
      follow(followers, request, signal, after => read(database.db, sealer, { ...request, after })),
    erase: (trx, subject) => erase(trx, sealer, subject),
    broughtBack,
  };
}

async function create(
  trx: Trx,
  subject: { id: string; kind: SubjectKind; projectId: string; createdBy: string },
): Promise<void> {
  await logTables(trx)
    .insertInto('subjects')
    .values({
      id: subject.id,
      kind: subject.kind,
      project_id: subject.projectId,
      created_by: subject.createdBy,
    })
    .execute();
}

async function subjectById(executor: Executor, id: string): Promise<Subject | null> {
  const row = await logTables(executor)
    .selectFrom('subjects')
    .select(['id', 'kind', 'project_id', 'created_by'])
    .select(['last_seq', 'fence', 'created_at', 'erased_at'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) return null;
  return {
    id: row.id,
    kind: row.kind as SubjectKind,
    projectId: row.project_id,
    createdBy: row.created_by,
    lastSeq: row.last_seq,
    fence: row.fence,
    createdAt: row.created_at,
    erasedAt: row.erased_at,
  };
}

async function heads(executor: Executor, subjects: readonly string[]): Promise<LogHead[]> {
  const rows = await logTables(executor)
    .selectFrom('subjects')
    .select(['id', 'last_seq', 'erased_at'])
    .where('id', '=', sql<string>`any(${[...subjects]}::text[])`)
    .execute();
  return rows.map(row => ({
    subject: row.id,
    lastSeq: row.last_seq,
    erased: row.erased_at !== null,
  }));
}

async function* follow(
  followers: Followers,
  request: ReadRequest,
  signal: AbortSignal,
  readAfter: (after: number) => Promise<EventEnvelope[]>,
): AsyncGenerator<EventEnvelope[]> {
  const follower = followers.join(request.subject, request.after);
  const onAbort = () => follower.wake();
  signal.addEventListener('abort', onAbort);
  try {
    for (let reads = 0; ; reads += 1) {
      await follower.woken();
      if (signal.aborted) return;
      // Taken before the read: what is erased while we read is noticed by the next poll.
      const { erased } = follower;
      let batch: EventEnvelope[] = [];
      try {
        batch = await readAfter(follower.position);
      } catch (error) {
        if (reads === 0) throw error;
        continue;
      }
      if (signal.aborted || (erased && batch.length === 0)) return;
      const last = batch.at(-1);
      if (last === undefined) continue;
      follower.position = last.seq;
      // A full page: there may be more of what has already been rung for.
      if (batch.length >= pageSize(request)) follower.wake();
      yield batch;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    followers.leave(follower);
  }
}

async function erase(trx: Trx, sealer: Sealer, id: string): Promise<void> {
  const tables = logTables(trx);
  const subject = await tables
    .selectFrom('subjects')
    .select('id')
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst();
  if (subject === undefined) {
    throw new HoldfastError('not_found', 'There is no such piece of work.');
  }
  await tables.deleteFrom('events').where('subject', '=', id).execute();
  await sealer.erase(trx, id);
  await tables
    .updateTable('subjects')
    .set({ erased_at: sql<Date>`coalesce(erased_at, clock_timestamp())` })
    .where('id', '=', id)
    .execute();
}

const broughtBack: Log['broughtBack'] = async (executor, { kind, after, limit }) => {
  const { rows } = await sql<{ id: string }>`
    select subjects.id from subjects join subject_keys on subject_keys.subject = subjects.id
    where subject_keys.erased_at is not null and subjects.erased_at is null
      and subjects.kind = ${kind} and subjects.id > ${after}
    order by subjects.id limit ${limit}`.execute(executor);
  return rows.map(row => row.id);
};
