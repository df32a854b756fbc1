import { setTimeout as delay } from 'node:timers/promises';
import type { Principal } from '../auth/index.ts';
import type { Upgrade } from '../http/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import { incomingContext, startTrace } from '../platform/telemetry/index.ts';
import type { SocketDeps } from './deps.ts';
import { getRecord, type HandoverRecord } from './handover/record.ts';
import { passedOn } from './passed-on.ts';
import { find, findDisconnected } from './queries.ts';
import { acceptUpgrade } from './relay/index.ts';
import { RelayedSession } from './relayed-session.ts';
import { isAdmitted } from './resume-handle.ts';
import { isFinal } from './session.ts';
import * as store from './store.ts';
import type { SessionRow } from './tables.ts';

/**
 * Goes on with a session that another process has left: its lease is taken, and what was left is
 * read. The client is answered then; the upstream is opened and told the conversation meanwhile.
 */
type Caller = Upgrade<Principal>;

/** A client may come sooner than the process that sends it away has left its session. */
const LEFT_WITHIN_MS = 5_000;
const LOOK_MS = 50;
/** So often the wait between two looks doubles. */
const LOOKS_DOUBLED = 4;

interface LeftRow extends SessionRow {
  readonly handover_key: string;
}

export interface Found {
  readonly row: LeftRow;
  readonly record: HandoverRecord;
}

/** By its handle, from whichever process holds it; undefined where that caller has none such. */
export function findByHandle(
  deps: SocketDeps,
  { principal }: Caller,
  { sessionId, handle }: { readonly sessionId: string; readonly handle: string },
): Promise<Found | undefined> {
  return found(
    deps,
    () => find(deps.database.db, sessionId),
    row => isOf(row, principal) && isAdmitted(row.handles, handle),
  );
}

/** By its one-session secret, if its client's line is down. */
export function findBySecret(deps: SocketDeps, secretId: string): Promise<Found | undefined> {
  return found(
    deps,
    () => findDisconnected(deps.database.db, secretId),
    () => true,
  );
}

/** What its process has left. One that has not let go is asked to. */
async function found(
  deps: SocketDeps,
  look: () => Promise<SessionRow | undefined>,
  isAllowed: (row: SessionRow) => boolean,
): Promise<Found | undefined> {
  const deadlineMs = performance.now() + LEFT_WITHIN_MS;
  for (let looks = 0; ; looks += 1) {
    const row = await look();
    if (row === undefined || isFinal(row.state) || !isAllowed(row)) return undefined;
    if (isLeft(row)) return { row, record: await getRecord(deps, row.handover_key) };
    if (looks === 0) {
      const replica = await store.wantHandover(deps.database.db, row.id);
      if (replica !== null) deps.ringReplica(replica);
    }
    if (performance.now() > deadlineMs) throw elsewhere();
    await delay(LOOK_MS * 2 ** Math.min(looks, LOOKS_DOUBLED), undefined, { ref: false });
  }
}

export async function takeUp(
  deps: SocketDeps,
  upgrade: Caller,
  { row, record, received }: Found & { readonly received: number | null },
): Promise<void> {
  const { principal, requestId, request } = upgrade;
  const { config, locked, orPreview, acknowledges, safetyIdentifier } = record.session;
  const model = deps.models.resolve(row.model);
  const lease = await takeLease(deps, row);
  const trace = startTrace(deps.telemetry.tracer, 'realtime.session', {
    parent: incomingContext(request.headers),
    attributes: { 'gen_ai.request.model': model.id, 'session.id': row.id },
  });
  const session = new RelayedSession(deps, {
    client: acceptUpgrade({ ...upgrade, speaksBeta: row.protocol === 'preview' }),
    requestId,
    trace,
    passedOn: passedOn(trace, safetyIdentifier),
    lease,
    row,
    upstream: deps.models.upstream(model, row.project_id),
    model: model.id,
    protocol: row.protocol,
    orPreview,
    acknowledges,
    config,
    locked,
    safetyIdentifier,
    left: { record, received, since: row.disconnected_at },
  });
  deps.registry.add(session, principal);
}

/** Of many that try, one gets it. */
async function takeLease(deps: SocketDeps, { id, handover_key }: LeftRow) {
  const lease = await deps.database.transaction(async trx => {
    const row = await store.lock(trx, id);
    if (row?.handover_key !== handover_key) return null;
    return await deps.leases.acquire(trx, id);
  });
  if (lease === null) throw elsewhere();
  return lease;
}

function isLeft(row: SessionRow): row is LeftRow {
  return row.state === 'disconnected' && row.handover_key !== null;
}

function isOf(row: SessionRow, { id, projectId, grant }: Principal): boolean {
  if (row.created_by !== id || row.project_id !== projectId) return false;
  return grant === undefined || grant.secretId === row.secret_id;
}

/** Another process holds it, which may be the one that the next attempt comes to. */
function elsewhere(): HoldfastError {
  const text = 'Another process holds this session. Connect again.';
  return new HoldfastError('unavailable', text, { retryAfterS: 1 });
}
