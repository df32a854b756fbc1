import type { SessionState } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Executor } from '../platform/database/index.ts';
import { type Control, type SessionRow, type SessionsTable, tables } from './tables.ts';

/**
 * The reads of the session registry: one session, pages of them, and what the sweep looks for.
 * `last_seq` comes from the log's `subjects`, which all kinds of work share.
 */
export type SessionView = SessionRow & {
  readonly last_seq: number;
  /** Seconds since it was first connected, until its end; null if it never was. */
  readonly duration_s: number | null;
};

function views(executor: Executor) {
  return executor
    .withTables<{
      sessions: SessionsTable;
      subjects: { id: string; last_seq: number };
    }>()
    .selectFrom('sessions')
    .innerJoin('subjects', 'subjects.id', 'sessions.id')
    .selectAll('sessions')
    .select([
      'subjects.last_seq',
      sql<number | null>`extract(epoch from
        coalesce(sessions.ended_at, sessions.disconnected_at, now()) - sessions.connected_at
      )::float8`.as('duration_s'),
    ])
    .where('sessions.erased_at', 'is', null);
}

export async function find(executor: Executor, id: string): Promise<SessionView | undefined> {
  return await views(executor).where('sessions.id', '=', id).executeTakeFirst();
}

export async function findByCall(
  executor: Executor,
  callId: string,
): Promise<SessionRow | undefined> {
  return await tables(executor)
    .selectFrom('sessions')
    .selectAll()
    .where('call_id', '=', callId)
    .where('erased_at', 'is', null)
    .executeTakeFirst();
}

/** The session that was minted together with a client secret, while it is unused. */
export async function findMinted(
  executor: Executor,
  secretId: string,
): Promise<SessionRow | undefined> {
  return await tables(executor)
    .selectFrom('sessions')
    .selectAll()
    .where('secret_id', '=', secretId)
    .where('state', '=', 'created')
    .where('holds_place', '=', false)
    .executeTakeFirst();
}

/** The session of a one-session secret whose client's line is down. */
export async function findDisconnected(
  executor: Executor,
  secretId: string,
): Promise<SessionRow | undefined> {
  return await tables(executor)
    .selectFrom('sessions')
    .selectAll()
    .where('secret_id', '=', secretId)
    .where('state', '=', 'disconnected')
    .executeTakeFirst();
}

export interface ListFilter {
  readonly projectId: string;
  readonly state?: SessionState | undefined;
  readonly active?: boolean | undefined;
  readonly createdBy?: string | undefined;
  /** Only sessions older than this id. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function list(executor: Executor, filter: ListFilter): Promise<SessionView[]> {
  let query = views(executor).where('sessions.project_id', '=', filter.projectId);
  if (filter.state !== undefined) query = query.where('sessions.state', '=', filter.state);
  if (filter.active !== undefined) {
    query = query.where('sessions.holds_place', '=', filter.active);
  }
  if (filter.createdBy !== undefined) {
    query = query.where('sessions.created_by', '=', filter.createdBy);
  }
  if (filter.before !== undefined) query = query.where('sessions.id', '<', filter.before);
  return await query.orderBy('sessions.id', 'desc').limit(filter.limit).execute();
}

const OPEN: SessionState[] = ['created', 'connected', 'disconnected'];

export type Overdue = Pick<
  SessionRow,
  'id' | 'state' | 'transport' | 'holds_place' | 'reconnect_until' | 'replica'
>;

/** Open sessions whose time is over by the database's clock, and why. */
export async function overdue(
  executor: Executor,
  options: { graceMs: number; limit: number },
): Promise<Overdue[]> {
  const cutoff = sql<Date>`now() - ${options.graceMs} * interval '1 millisecond'`;
  return await tables(executor)
    .selectFrom('sessions')
    .select(['id', 'state', 'transport', 'holds_place', 'reconnect_until', 'replica'])
    .where('state', 'in', OPEN)
    .where(eb =>
      eb.or([
        // The replica that holds a session ends it in time; the grace leaves that to it.
        eb('expires_at', '<=', cutoff),
        eb.and([eb('holds_place', '=', false), eb('expires_at', '<=', sql<Date>`now()`)]),
        eb('reconnect_until', '<=', sql<Date>`now()`),
      ]),
    )
    .limit(options.limit)
    .execute();
}

/** What `replica` must act on: sessions to end or to let go of, or whose time is over. */
export async function orders(
  executor: Executor,
  replica: string,
  limit: number,
): Promise<{ id: string; control: Control | null; handover_wanted: boolean }[]> {
  return await tables(executor)
    .selectFrom('sessions')
    .select(['id', 'control', 'handover_wanted'])
    .where('replica', '=', replica)
    .where(eb =>
      eb.or([
        eb('control', 'is not', null),
        eb('handover_wanted', '=', true),
        eb.and([eb('state', '=', 'connected'), eb('expires_at', '<=', sql<Date>`now()`)]),
      ]),
    )
    .limit(limit)
    .execute();
}

/** Of sessions that are over, what a process left for another one that never came. */
export async function leftBehind(
  executor: Executor,
  limit: number,
): Promise<{ id: string; handover_key: string }[]> {
  return await tables(executor)
    .selectFrom('sessions')
    .select(['id', 'handover_key'])
    .where('handover_key', 'is not', null)
    .where('state', 'not in', OPEN)
    .limit(limit)
    .$narrowType<{ handover_key: string }>()
    .execute();
}

/** Sessions that by their rows `replica` holds, older than `minAgeMs`. */
export async function heldBy(
  executor: Executor,
  replica: string,
  options: { minAgeMs: number; limit: number },
): Promise<string[]> {
  const rows = await tables(executor)
    .selectFrom('sessions')
    .select('id')
    .where('replica', '=', replica)
    .where('state', 'in', ['created', 'connected'])
    .where('created_at', '<=', sql<Date>`now() - ${options.minAgeMs} * interval '1 millisecond'`)
    .limit(options.limit)
    .execute();
  return rows.map(row => row.id);
}

/** Calls that go on without a sideband, because their replica gave them up. */
export async function orphanedCalls(executor: Executor, limit: number): Promise<string[]> {
  const rows = await tables(executor)
    .selectFrom('sessions')
    .select('id')
    .where('transport', '!=', 'websocket')
    .where('state', '=', 'connected')
    .where('replica', 'is', null)
    .limit(limit)
    .execute();
  return rows.map(row => row.id);
}

/** Finished sessions that are older than their retention. */
export async function retired(
  executor: Executor,
  options: { olderThanMs: number; limit: number },
): Promise<string[]> {
  const rows = await tables(executor)
    .selectFrom('sessions')
    .select('id')
    .where('erased_at', 'is', null)
    .where('ended_at', '<=', sql<Date>`now() - ${options.olderThanMs} * interval '1 millisecond'`)
    .limit(options.limit)
    .execute();
  return rows.map(row => row.id);
}
