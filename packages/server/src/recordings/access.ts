import { type Audit, authorize, notFound, type Principal, type Target } from '../auth/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Log, Subject } from '../platform/log/index.ts';
import * as store from './store.ts';

/** Who acts, and in which request: what the audit log names when an Admin acts for somebody. */
export interface Caller {
  readonly principal: Principal;
  readonly requestId: string;
}

export interface AccessDeps {
  readonly database: Database;
  readonly log: Log;
  readonly audit: Pick<Audit, 'record'>;
}

export type RecordingPolicy = 'recordings.read' | 'recordings.write' | 'recordings.delete';

/**
 * The session, for an act on its recordings; an Admin's act on somebody else's is on record before
 * anything of it happens.
 */
export async function accessSession(
  deps: AccessDeps,
  policy: RecordingPolicy,
  caller: Caller,
  sessionId: string,
): Promise<Subject> {
  const subject = await findSession(deps, sessionId);
  await permit(deps, { policy, caller, target: subject, targetId: sessionId });
  return subject;
}

/** The same for one complete recording. */
export async function accessRecording(
  deps: AccessDeps,
  policy: RecordingPolicy,
  caller: Caller,
  id: string,
): Promise<store.RecordingRow> {
  const row = await store.find(deps.database.db, id);
  if (row === undefined || row.state !== 'complete') throw notFound();
  const subject = await findSession(deps, row.session_id);
  await permit(deps, { policy, caller, target: subject, targetId: id });
  return row;
}

async function findSession(deps: AccessDeps, sessionId: string): Promise<Subject> {
  const subject = await deps.log.subject(deps.database.db, sessionId);
  if (subject === null || subject.kind !== 'session' || subject.erasedAt !== null) throw notFound();
  return subject;
}

interface Act {
  readonly policy: RecordingPolicy;
  readonly caller: Caller;
  readonly target: Target;
  readonly targetId: string;
}

async function permit(deps: AccessDeps, { policy, caller, target, targetId }: Act): Promise<void> {
  const { principal, requestId } = caller;
  const { projectId, createdBy } = target;
  if (authorize(policy, principal, { projectId, createdBy }) !== 'admin') return;
  await deps.audit.record({
    principal: principal.id,
    projectId: principal.projectId,
    action: policy,
    target: targetId,
    outcome: 'allowed',
    requestId,
  });
}
