import type { EventEnvelope, Session, SessionState } from '@holdfast/protocol';
import type { Audit, Principal } from '../auth/index.ts';
import { HoldfastError, isId } from '../kernel/index.ts';
import type { Recordings } from '../recordings/index.ts';
import {
  authorizeRow,
  type Caller,
  cursorId,
  cursorOf,
  type Page,
  readEvents,
} from '../work/index.ts';
import { isOrphan } from './calls/hang-up.ts';
import { presentSession } from './present.ts';
import * as queries from './queries.ts';
import { isFinal } from './session.ts';
import * as store from './store.ts';
import type { SessionRow } from './tables.ts';
import type { TransitionDeps } from './transitions.ts';
import { transition } from './transitions.ts';

/** The verbs on sessions that people use through the API. */
export interface Sessions {
  list(principal: Principal, query: ListQuery): Promise<Page<Session>>;
  get(caller: Caller, id: string): Promise<Session>;
  /** The log; private fields for its creator and Admins only. An Admin's reading is audited. */
  events(
    caller: Caller,
    id: string,
    page: { after: number; limit: number },
  ): Promise<EventEnvelope[]>;
  /**
   * Ends a session wherever it runs; its place is free at once. Ending again is no error. A call
   * that no replica holds is hung up first; when that fails, this throws and changes nothing.
   */
  end(caller: Caller, id: string): Promise<Session>;
  /** The same, and erases log, recordings and blobs; only a tombstone stays. */
  erase(caller: Caller, id: string): Promise<void>;
  /** The same for the retention sweep, which has no principal. */
  eraseRetired(id: string): Promise<void>;
}

interface ListQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly state?: SessionState | undefined;
  readonly active?: boolean | undefined;
  /** `me`, or a principal's id, which only Admins may ask for. */
  readonly createdBy?: string | undefined;
}

export interface SessionsDeps extends TransitionDeps {
  readonly recordings: Pick<Recordings, 'totals' | 'eraseSession' | 'purge'>;
  readonly audit: Pick<Audit, 'record'>;
  /** Hangs up, at its provider, a call that no replica holds; throws when that fails. */
  readonly hangUpOrphan: (row: SessionRow, requestId?: string) => Promise<void>;
  /** Makes the replica that holds a session read its orders. */
  readonly ringReplica: (replica: string) => void;
}

export function createSessions(deps: SessionsDeps): Sessions {
  return {
    list: (principal, query) => list(deps, principal, query),
    async get(caller, id) {
      return present(deps, await access(deps, caller, id, { policy: 'sessions.read' }));
    },
    async events(caller, id, page) {
      const row = await access(deps, caller, id, { policy: 'sessions.read' });
      return readEvents(deps, caller, row, { ...page, action: 'sessions.events' });
    },
    end: (caller, id) => end(deps, caller, id),
    async erase(caller, id) {
      const row = await access(deps, caller, id, ERASE);
      if (isOrphan(row)) await deps.hangUpOrphan(row, caller.requestId);
      await erase(deps, id, caller.principal.id);
    },
    eraseRetired: id => erase(deps, id, `replica:${deps.leases.replica}`),
  };
}

const END = { policy: 'sessions.control', action: 'sessions.end' };
const ERASE = { policy: 'sessions.control', action: 'sessions.erase' };

/** The session, if the policy allows this caller; else the same 404 as for one that is missing. */
async function access(
  deps: SessionsDeps,
  caller: Caller,
  id: string,
  act: { readonly policy: string; readonly action?: string },
): Promise<queries.SessionView> {
  const row = isId('ses', id) ? await queries.find(deps.database.db, id) : undefined;
  return authorizeRow(deps, caller, row, { ...act, target: id });
}

async function present(deps: SessionsDeps, row: queries.SessionView): Promise<Session> {
  const totals = await deps.recordings.totals(deps.database.db, [row.id]);
  return presentSession(row, totals.get(row.id));
}

async function list(
  deps: SessionsDeps,
  principal: Principal,
  query: ListQuery,
): Promise<Page<Session>> {
  const { db } = deps.database;
  const { createdBy, limit, state, active } = query;
  const owner = createdBy === 'me' ? principal.id : createdBy;
  if (owner !== undefined && owner !== principal.id && principal.role !== 'Admin') {
    throw new HoldfastError('forbidden', 'Only Admins may list the sessions of others by name.', {
      field: 'created_by',
    });
  }
  // One row more than the page holds shows whether there is a next page.
  const rows = await queries.list(db, {
    projectId: principal.projectId,
    state,
    active,
    createdBy: owner,
    before: cursorId('ses', query.cursor),
    limit: limit + 1,
  });
  const shown = rows.slice(0, limit);
  const totals = await deps.recordings.totals(
    db,
    shown.map(row => row.id),
  );
  return {
    data: shown.map(row => presentSession(row, totals.get(row.id))),
    next_cursor: rows.length > limit ? cursorOf(shown.at(-1)!.id) : null,
  };
}

async function end(deps: SessionsDeps, caller: Caller, id: string): Promise<Session> {
  const row = await access(deps, caller, id, END);
  if (isOrphan(row)) await deps.hangUpOrphan(row, caller.requestId);
  await transition(
    deps,
    id,
    { type: 'end', reason: 'end_requested' },
    {
      actor: caller.principal.id,
      traceId: caller.trace?.traceId,
      ...(row.replica !== null && { control: 'end' }),
    },
  );
  if (row.replica !== null) deps.ringReplica(row.replica);
  return present(deps, (await queries.find(deps.database.db, id)) ?? row);
}

/**
 * Ends and erases in one transaction. A replica that still holds the session gets an order to
 * drop it; the log refuses what it appends meanwhile, because the subject is erased.
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
