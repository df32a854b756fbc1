import { isId } from '../kernel/index.ts';
import type { Database } from '../platform/database/index.ts';
import { type AuditDeps, authorizeRow, type Caller } from '../work/index.ts';
import * as queries from './queries.ts';
import type { RepositoryRow } from './tables.ts';

export interface AccessDeps extends AuditDeps {
  readonly database: Database;
}

/** The run, if the policy admits this caller; otherwise the 404 of a run that does not exist. */
export async function accessRun(
  deps: AccessDeps,
  caller: Caller,
  id: string,
  policy: string,
): Promise<queries.RunView> {
  const row = isId('run', id) ? await queries.findRun(deps.database.db, id) : undefined;
  return authorizeRow(deps, caller, row, { policy, target: id });
}

export async function accessTask(
  deps: AccessDeps,
  caller: Caller,
  id: string,
  policy: string,
): Promise<queries.TaskView> {
  const row = isId('tsk', id) ? await queries.findTask(deps.database.db, id) : undefined;
  return authorizeRow(deps, caller, row, { policy, target: id });
}

/** Archived repositories stay readable by id. */
export async function accessRepository(
  deps: AccessDeps,
  caller: Caller,
  id: string,
  policy: string,
): Promise<RepositoryRow> {
  const row = isId('rpo', id) ? await queries.findRepository(deps.database.db, id) : undefined;
  return authorizeRow(deps, caller, row, { policy, target: id });
}
