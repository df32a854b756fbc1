import type { EventEnvelope } from '@holdfast/protocol';
import {
  type Audit,
  authorize,
  type Principal,
  type Standing,
  type Target,
} from '../auth/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Log } from '../platform/log/index.ts';
import type { Trace } from '../platform/telemetry/index.ts';
import type { IdempotencyKey } from './idempotency-store.ts';

/** The caller and the request, which the audit log names when an Admin acts on another's work. */
export interface Caller {
  readonly principal: Principal;
  readonly requestId: string;
  /** The request's span. */
  readonly trace?: Trace | undefined;
  readonly idempotency?: IdempotencyKey | undefined;
}

/** The act and its object, as the audit log names them. */
export interface Act {
  readonly policy: string;
  readonly target: string;
  /** Set where the record should name more than the policy. */
  readonly action?: string;
}

export interface AuditDeps {
  readonly audit: Pick<Audit, 'record'>;
}

/** A row that belongs to a project and a creator. */
export interface OwnedRow {
  readonly project_id: string;
  readonly created_by: string;
  readonly secret_id?: string | null;
}

/** Whether the principal may see the private fields of what `owner` created. */
export function seesPrivate(principal: Principal, owner: string): boolean {
  return principal.id === owner || principal.role === 'Admin';
}

/** The facts of a row that the policy table needs. */
export function targetOf(row: OwnedRow): Target {
  return { projectId: row.project_id, createdBy: row.created_by, secretId: row.secret_id ?? null };
}

/**
 * Answers the row if the policy lets the caller at it; throws the same 404 for an absent and for a
 * hidden one. An Admin's act on another's work is recorded before it happens.
 */
export async function authorizeRow<R extends OwnedRow>(
  deps: AuditDeps,
  caller: Caller,
  row: R | undefined,
  act: Act,
): Promise<R> {
  await authorizeTarget(deps, caller, row === undefined ? null : targetOf(row), act);
  return row!;
}

/** The same for objects without a row; null stands for an absent one. */
export async function authorizeTarget(
  deps: AuditDeps,
  caller: Caller,
  target: Target | null,
  act: Act,
): Promise<void> {
  const standing = authorize(act.policy, caller.principal, target);
  const action = act.action ?? act.policy;
  await recordAdmin(deps.audit, standing, { caller, action, target: act.target });
}

/** Records what an Admin did with another's work; does nothing for all other callers. */
export async function recordAdmin(
  audit: Pick<Audit, 'record'>,
  standing: Standing,
  act: { readonly caller: Caller; readonly action: string; readonly target: string },
): Promise<void> {
  if (standing !== 'admin') return;
  const { principal, requestId } = act.caller;
  await audit.record({
    principal: principal.id,
    projectId: principal.projectId,
    action: act.action,
    target: act.target,
    outcome: 'allowed',
    requestId,
  });
}

/** A page of a log: events after `after`, and what the audit log calls the reading. */
export interface EventsQuery {
  readonly after: number;
  readonly limit: number;
  readonly action: string;
}

/** Reads the log of a row that the caller may read, with private fields where it may see those. */
export async function readEvents(
  deps: AuditDeps & { readonly database: Database; readonly log: Log },
  caller: Caller,
  row: OwnedRow & { readonly id: string },
  { after, limit, action }: EventsQuery,
): Promise<EventEnvelope[]> {
  const { principal } = caller;
  const includePrivate = seesPrivate(principal, row.created_by);
  const request = { subject: row.id, after, limit, includePrivate };
  const events = await deps.log.read(deps.database.db, request);
  // What the whole project may see is no act of an Admin; the private fields are.
  const isForeign = includePrivate && principal.id !== row.created_by && events.length > 0;
  await recordAdmin(deps.audit, isForeign ? 'admin' : 'member', {
    caller,
    action,
    target: row.id,
  });
  return events;
}
