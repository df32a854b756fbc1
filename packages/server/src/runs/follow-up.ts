import { sql } from 'kysely';
import { newId } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { RunEnd } from './claimed-run.ts';
import { insertRuns, type StartedRuns } from './new-runs.ts';
import * as queries from './queries.ts';
import type { DriverDeps } from './run-driver.ts';
import type { LockedRun } from './store.ts';
import { tables } from './tables.ts';

/**
 * What was written for an agent at work and did not reach it: the first such message becomes a run
 * of the same agent that continues its work. That run's end looks after the next message, so that
 * they are done in order. A canceled run is continued by nobody.
 */
export async function startFollowUp(
  deps: DriverDeps,
  trx: Trx,
  row: LockedRun,
  end: RunEnd,
): Promise<StartedRuns | undefined> {
  if (end.heardThrough === undefined || end.status === 'canceled') return undefined;
  // Whoever adds a message holds this lock and sees either this run at work, or it has ended.
  await sql`select 1 from tasks where id = ${row.task_id} for no key update`.execute(trx);
  const [message] = await queries.messagesForRunning(trx, row.task_id, end.heardThrough);
  if (message === undefined || (await isContinued(trx, row.id))) return undefined;
  const instruction = await deps.sealer.open(trx, row.task_id, {
    keyId: message.instruction_key_id,
    ciphertext: message.instruction_data,
  });
  if (typeof instruction !== 'string') return undefined;
  return insertRuns(deps, trx, [
    {
      id: newId('run'),
      projectId: row.project_id,
      taskId: row.task_id,
      messageId: message.id,
      repositoryId: row.repository_id,
      createdBy: message.created_by,
      agent: row.agent,
      model: row.model,
      baseRef: row.base_ref,
      retryOf: null,
      continues: row.id,
      instruction,
    },
  ]);
}

async function isContinued(trx: Trx, id: string): Promise<boolean> {
  const row = await tables(trx)
    .selectFrom('runs')
    .select('id')
    .where('continues', '=', id)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
