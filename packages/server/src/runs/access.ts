import { type Audit, authorize, type Principal, type Standing } from '../auth/index.ts';
import { isId } from '../kernel/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { IdempotencyKey } from './idempotency.ts';
import * as queries from './queries.ts';
import type { RepositoryRow } from './tables.ts';

/** Who acts, and in which request: what the audit log names when an Admin acts for somebody. */
export interface Caller {
  readonly principal: Principal;
  readonly requestId: string;
  readonly idempotency?: IdempotencyKey | undefined;
}

export interface AccessDeps {
  readonly database: Database;
  readonly audit: Pick<Audit, 'record'>;
}

/** Whether `caller` may see the private fields of what `owner` created. */
export function seesPrivate(principal: Principal, owner: string): boolean {
  return principal.id === owner || principal.role === 'Admin';
}

/** The run, if the policy lets this caller at it; else the same 404 as for none. */
export async function accessRun(
  deps: AccessDeps,
  caller: Caller,
  id: string,
  policy: string,
): Promise<queries.RunView> {
  const row = isId('run', id) ? await queries.findRun(deps.database.db, id) : undefined;
  return allowed(deps, caller, row, { action: policy, target: id });
}

export async function accessTask(
  deps: AccessDeps,
  caller: Caller,
  id: string,
  policy: string,
): Promise<queries.TaskView> {
  const row = isId('tsk', id) ? await queries.findTask(deps.database.db, id) : undefined;
  return allowed(deps, caller, row, { action: policy, target: id });
}

/** Throws unless the policy lets the caller at the row; what Admins do is put on record. */
export async function allowed<R extends Owned>(
  deps: AccessDeps,
  caller: Caller,
  row: R | undefined,
  act: { readonly action: string; readonly target: string },
): Promise<R> {
  const { principal } = caller;
  const standing = authorize(act.action, principal, row === undefined ? null : target(row));
  await recordAdmin(deps.audit, standing, { caller, ...act });
  return row!;
}

/** Archived repositories stay readable by id. */
export async function accessRepository(
  deps: AccessDeps,
  caller: Caller,
  id: string,
  policy: string,
): Promise<RepositoryRow> {
  const row = isId('rpo', id) ? await queries.findRepository(deps.database.db, id) : undefined;
  authorize(policy, caller.principal, row === undefined ? null : target(row));
  return row!;
}

interface Owned {
  readonly project_id: string;
  readonly created_by: string;
}

function target(row: Owned) {
  return { projectId: row.project_id, createdBy: row.created_by };
}

/** Puts on record what an Admin did with somebody else's work; nothing for anybody else. */
export async function recordAdmin(
  audit: Pick<Audit, 'record'>,
  standing: Standing,
  act: { readonly caller: Caller; readonly action: string; readonly target: string },
): Promise<void> {
  if (standing !== 'admin') return;
  const { principal, requestId } = act.caller;
  const { id, projectId } = principal;
  const { action, target: thing } = act;
  await audit.record({
    principal: id,
    projectId,
    action,
    target: thing,
    outcome: 'allowed',
    requestId,
  });
}
