import type { EventEnvelope, Session, SessionState } from '@holdfast/protocol';
import { type Audit, authorize, type Principal, type Standing } from '../auth/index.ts';
import { HoldfastError, isId } from '../kernel/index.ts';
import type { Recordings } from '../recordings/index.ts';
import { isOrphan } from './calls/hang-up.ts';
import { presentSession } from './present.ts';
import * as queries from './queries.ts';
import { isFinal } from './session.ts';
import * as store from './store.ts';
import type { SessionRow } from './tables.ts';
import type { LifecycleDeps } from './transitions.ts';
import { moveSession } from './transitions.ts';

/** The verbs on sessions that people use through the API. */
export interface Sessions {
  list(
    principal: Principal,
    query: ListQuery,
  ): Promise<{ data: Session[]; nextCursor: string | null }>;
  get(principal: Principal, id: string): Promise<Session>;
  /** The log; private fields for its creator and Admins only, whose reading is put on record. */
  events(
    caller: Caller,
    id: string,
    page: { after: number; limit: number },
  ): Promise<EventEnvelope[]>;
  /**
   * Ends a session wherever it runs; its place is free at once. Ending again is no error. A call
   * that nobody holds is hung up first: throws, and changes nothing, when its upstream does not.
   */
  end(caller: Caller, id: string): Promise<Session>;
  /** The same, and erases log, recordings and blobs; only a tombstone stays. */
  erase(caller: Caller, id: string): Promise<void>;
  /** The same for the retention sweep, which has no principal. */
  eraseRetired(id: string): Promise<void>;
}

/** Who acts, and in which request: what the audit log names when an Admin acts for somebody. */
export interface Caller {
  readonly principal: Principal;
  readonly requestId: string;
}

export interface ListQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly state?: SessionState | undefined;
  readonly active?: boolean | undefined;
  /** `me`, or a principal's id, which only Admins may ask for. */
  readonly createdBy?: string | undefined;
}

export interface SessionsDeps extends LifecycleDeps {
  readonly recordings: Pick<Recordings, 'totals' | 'eraseSession' | 'purge'>;
  readonly audit: Pick<Audit, 'record'>;
  /** Hangs up a call that nobody holds at its provider; throws when that does not work. */
  readonly hangUpOrphan: (row: SessionRow, requestId?: string) => Promise<void>;
  /** Makes the replica that holds a session look at its orders. */
  readonly ringReplica: (replica: string) => void;
}

export function createSessions(deps: SessionsDeps): Sessions {
  return {
    list: (principal, query) => list(deps, principal, query),
    async get(principal, id) {
      return present(deps, await visible(deps, 'sessions.read', principal, id));
    },
    events: (caller, id, page) => events(deps, caller, { id, ...page }),
    end: (caller, id) => end(deps, caller, id),
    async erase(caller, id) {
      const row = await controlled(deps, caller, id, 'sessions.erase');
      if (isOrphan(row)) await deps.hangUpOrphan(row, caller.requestId);
      await erase(deps, id, caller.principal.id);
    },
    eraseRetired: id => erase(deps, id, `replica:${deps.leases.replica}`),
  };
}

/** The session, if the policy lets this principal at it; else the same 404 as for none. */
async function visible(
  deps: SessionsDeps,
  policy: string,
  principal: Principal,
  id: string,
): Promise<queries.SessionView> {
  const row = isId('ses', id) ? await queries.find(deps.database.db, id) : undefined;
  authorize(policy, principal, row === undefined ? null : target(row));
  return row!;
}

/** The session, for an act on it; an Admin's act on somebody else's session is put on record. */
async function controlled(
  deps: SessionsDeps,
  caller: Caller,
  id: string,
  action: string,
): Promise<queries.SessionView> {
  const { principal } = caller;
  const row = isId('ses', id) ? await queries.find(deps.database.db, id) : undefined;
  const standing = authorize('sessions.control', principal, row === undefined ? null : target(row));
  await recordAdmin(deps.audit, standing, { caller, action, target: id });
  return row!;
}

/** Puts on record what an Admin did with somebody else's session; nothing for anybody else. */
export async function recordAdmin(
  audit: Pick<Audit, 'record'>,
  standing: Standing,
  act: { readonly caller: Caller; readonly action: string; readonly target: string },
): Promise<void> {
  if (standing !== 'admin') return;
  const { principal, requestId } = act.caller;
  const { id, projectId } = principal;
  const { action, target } = act;
  await audit.record({ principal: id, projectId, action, target, outcome: 'allowed', requestId });
}

function target(row: queries.SessionView) {
  return { projectId: row.project_id, createdBy: row.created_by, secretId: row.secret_id };
}

async function present(deps: SessionsDeps, row: queries.SessionView): Promise<Session> {
  const totals = await deps.recordings.totals(deps.database.db, [row.id]);
  return presentSession(row, totals.get(row.id));
}

async function list(deps: SessionsDeps, principal: Principal, query: ListQuery) {
  const { db } = deps.database;
  const { createdBy, limit, state, active } = query;
  const owner = createdBy === 'me' ? principal.id : createdBy;
  if (owner !== undefined && owner !== principal.id && principal.role !== 'Admin') {
    throw new HoldfastError('forbidden', 'Only Admins may list the sessions of others by name.', {
      field: 'created_by',
    });
  }
  // One more than asked for tells whether there is a next page.
  const rows = await queries.list(db, {
    projectId: principal.projectId,
    state,
    active,
    createdBy: owner,
    before: query.cursor === undefined ? undefined : cursorId(query.cursor),
    limit: limit + 1,
  });
  const shown = rows.slice(0, limit);
  const totals = await deps.recordings.totals(
    db,
    shown.map(row => row.id),
  );
  return {
    data: shown.map(row => presentSession(row, totals.get(row.id))),
    nextCursor: rows.length > limit ? Buffer.from(shown.at(-1)!.id).toString('base64url') : null,
  };
}

function cursorId(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString('latin1');
  if (isId('ses', id)) return id;
  throw new HoldfastError('invalid_request', 'The cursor is not one of ours.', { field: 'cursor' });
}

async function events(
  deps: SessionsDeps,
  caller: Caller,
  page: { id: string; after: number; limit: number },
): Promise<EventEnvelope[]> {
  const { principal } = caller;
  const row = await visible(deps, 'sessions.read', principal, page.id);
  const own = principal.id === row.created_by;
  const includePrivate = own || principal.role === 'Admin';
  const read = await deps.log.read(deps.database.db, {
    subject: row.id,
    after: page.after,
    limit: page.limit,
    includePrivate,
  });
  // What everybody in the project may see is no act of an Admin; the private fields are.
  const standing = includePrivate && !own && read.length > 0 ? 'admin' : 'member';
  await recordAdmin(deps.audit, standing, { caller, action: 'sessions.events', target: row.id });
  return read;
}

async function end(deps: SessionsDeps, caller: Caller, id: string): Promise<Session> {
  const row = await controlled(deps, caller, id, 'sessions.end');
  if (isOrphan(row)) await deps.hangUpOrphan(row, caller.requestId);
  await moveSession(
    deps,
    id,
    { type: 'end', reason: 'end_requested' },
    { actor: caller.principal.id, ...(row.replica !== null && { control: 'end' }) },
  );
  if (row.replica !== null) deps.ringReplica(row.replica);
  return present(deps, (await queries.find(deps.database.db, id)) ?? row);
}

/**
 * Ends and erases in one transaction. A replica that still holds the session is told to drop it;
 * what it appends meanwhile is refused, because the subject is erased.
 */
async function erase(deps: SessionsDeps, id: string, actor: string): Promise<void> {
  const erased = await deps.database.transaction(async trx => {
    const row = await store.lock(trx, id);
    if (row === undefined || row.erased_at !== null) return undefined;
    if (!isFinal(row.state)) {
      const control = row.replica === null ? null : 'erase';
      await store.setFinal(trx, id, {
        state: 'ended',
        reason: 'deleted',
        closeCode: null,
        control,
      });
    }
    await deps.recordings.eraseSession(trx, id);
    await store.setErased(trx, id);
    await deps.log.erase(trx, id);
    return row;
  });
  if (erased === undefined) return;
  deps.log.ring(id);
  if (erased.replica !== null) deps.ringReplica(erased.replica);
  deps.telemetry.log.info('session.erased', { session_id: id, actor });
  await deps.recordings.purge().catch((error: unknown) => {
    // The marks stay; the recordings' own sweep tries again.
    deps.telemetry.log.warn('session.purge_failed', { session_id: id, error });
  });
}
