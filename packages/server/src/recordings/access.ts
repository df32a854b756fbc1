import { notFound } from '../auth/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Log, Subject } from '../platform/log/index.ts';
import { type AuditDeps, authorizeTarget, type Caller } from '../work/index.ts';
import * as store from './store.ts';

export interface AccessDeps extends AuditDeps {
  readonly database: Database;
  readonly log: Log;
}

export type RecordingPolicy = 'recordings.read' | 'recordings.write' | 'recordings.delete';

/** The session, for an act on its recordings. */
export async function accessSession(
  deps: AccessDeps,
  policy: RecordingPolicy,
  caller: Caller,
  sessionId: string,
): Promise<Subject> {
  const session = await findSession(deps, sessionId);
  await authorizeTarget(deps, caller, session, { policy, target: sessionId });
  return session;
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
  const session = await findSession(deps, row.session_id);
  await authorizeTarget(deps, caller, session, { policy, target: id });
  return row;
}

async function findSession(deps: AccessDeps, sessionId: string): Promise<Subject> {
  const subject = await deps.log.subject(deps.database.db, sessionId);
  if (subject === null || subject.kind !== 'session' || subject.erasedAt !== null) throw notFound();
  return subject;
}
