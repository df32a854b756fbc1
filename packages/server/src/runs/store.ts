import { sql } from 'kysely';
import type { RunBill } from '../models/index.ts';
import type { Executor, Trx } from '../platform/database/index.ts';
import { isFinal } from './run.ts';
import { type ArtifactRow, RUN_COLUMNS, type RunRow, runValues, tables } from './tables.ts';

/** The writes of runs. Every instant is the database's. */

export type NewRunRow = Pick<
  RunRow,
  | 'id'
  | 'project_id'
  | 'task_id'
  | 'message_id'
  | 'repository_id'
  | 'created_by'
  | 'agent'
  | 'model'
  | 'base_ref'
  | 'retry_of'
  | 'continues'
>;

export async function insertRun(trx: Trx, run: NewRunRow): Promise<void> {
  await tables(trx)
    .insertInto('runs')
    .values({ ...run, status: 'queued' })
    .execute();
}

export type LockedRun = RunRow & {
  /** Seconds since its first start. */
  readonly duration_s: number;
};

export const DURATION_S = sql<number>`
  coalesce(extract(epoch from now() - runs.started_at), 0)::float8`;

export async function lockRun(trx: Trx, id: string): Promise<LockedRun | undefined> {
  return await tables(trx)
    .selectFrom('runs')
    .select(RUN_COLUMNS)
    .select(DURATION_S.as('duration_s'))
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/**
 * Locks a task against new messages. Adding a message takes the same lock and then sees either a
 * run at work or that it has ended.
 */
export async function lockTask(trx: Trx, id: string): Promise<void> {
  await sql`select 1 from tasks where id = ${id} for no key update`.execute(trx);
}

/** Serialises transactions that count waiting runs under one name. */
export async function lockQueue(trx: Trx, name: string): Promise<void> {
  const lock = `run-places:${name}`;
  await sql`select pg_advisory_xact_lock(hashtextextended(${lock}, 0))`.execute(trx);
}

export async function countQueued(
  trx: Trx,
  of: { readonly projectId: string; readonly owner: string },
): Promise<number> {
  const row = await tables(trx)
    .selectFrom('runs')
    .select(eb => eb.fn.countAll<number>().as('queued'))
    .where('status', '=', 'queued')
    .where('project_id', '=', of.projectId)
    .where('created_by', '=', of.owner)
    .executeTakeFirstOrThrow();
  return row.queued;
}

/** Writes these columns. */
export async function updateRun(trx: Trx, id: string, values: Partial<RunRow>): Promise<void> {
  await tables(trx).updateTable('runs').set(runValues(values)).where('id', '=', id).execute();
}

export async function setRequeued(trx: Trx, id: string, reason: string): Promise<void> {
  await updateRun(trx, id, { status: 'queued', requeued_reason: reason, replica: null });
}

/** The columns of a run's end. */
export type EndOfRun = Pick<RunRow, 'status' | 'reason'> &
  Partial<Pick<RunRow, 'summary_key_id' | 'summary_data'>>;

export async function setFinal(trx: Trx, id: string, end: EndOfRun): Promise<void> {
  await tables(trx)
    .updateTable('runs')
    .set({ ...end, finished_at: sql<Date>`now()`, requeued_reason: null })
    .where('id', '=', id)
    .execute();
}

export async function setCancelRequested(trx: Trx, id: string): Promise<void> {
  await tables(trx)
    .updateTable('runs')
    .set({ cancel_requested_at: sql<Date>`coalesce(cancel_requested_at, now())` })
    .where('id', '=', id)
    .execute();
}

/** A run's usage in total, so that writing it twice changes nothing. */
export type UsageTotals = Pick<
  RunRow,
  'input_tokens' | 'output_tokens' | 'cached_tokens' | 'model_calls' | 'cost_usd'
>;

export async function setUsage(trx: Trx, id: string, totals: UsageTotals): Promise<void> {
  // Writes of one driver may arrive out of order; totals only grow.
  await sql`
    update runs set
      input_tokens = greatest(input_tokens, ${totals.input_tokens}::bigint),
      output_tokens = greatest(output_tokens, ${totals.output_tokens}::bigint),
      cached_tokens = greatest(cached_tokens, ${totals.cached_tokens}::bigint),
      model_calls = greatest(model_calls, ${totals.model_calls}::integer),
      cost_usd = greatest(cost_usd, ${totals.cost_usd}::float8)
    where id = ${id}`.execute(trx);
}

/** Raises a run's totals to the sum of its calls; returns the new totals. */
export async function raiseUsage(
  trx: Trx,
  id: string,
  bill: Pick<RunBill, 'calls' | 'usd'>,
): Promise<Pick<RunRow, 'model_calls' | 'cost_usd'>> {
  const { rows } = await sql<Pick<RunRow, 'model_calls' | 'cost_usd'>>`
    update runs set
      model_calls = greatest(model_calls, ${bill.calls}::integer),
      cost_usd = greatest(cost_usd, ${bill.usd}::float8)
    where id = ${id}
    returning model_calls, cost_usd`.execute(trx);
  return rows[0]!;
}

type NewArtifact = Omit<ArtifactRow, 'created_at' | 'expires_at'>;

/** Inserts the row, or answers the id of the one that already names this blob. */
export async function insertArtifact(executor: Executor, artifact: NewArtifact): Promise<string> {
  const row = await tables(executor)
    .insertInto('artifacts')
    .values(artifact)
    .onConflict(conflict =>
      conflict.column('blob_key').doUpdateSet({
        size_bytes: artifact.size_bytes,
        sha256: artifact.sha256,
      }),
    )
    .returning('id')
    .executeTakeFirstOrThrow();
  return row.id;
}

/**
 * Clears a task's chosen column: from now on the column follows from its runs. An archived task
 * stays archived.
 */
export async function reopenTask(trx: Trx, taskId: string): Promise<void> {
  await tables(trx)
    .updateTable('tasks')
    .set({ column_override: null })
    .where('id', '=', taskId)
    .where('column_override', '<>', 'archived')
    .execute();
}

/** Chooses a run of its task; false when it was chosen before. */
export async function setPicked(trx: Trx, run: Pick<RunRow, 'id' | 'task_id'>): Promise<boolean> {
  const task = await tables(trx)
    .updateTable('tasks')
    .set({ picked_run_id: run.id, column_override: null, updated_at: sql<Date>`now()` })
    .where('id', '=', run.task_id)
    .where(eb => eb.or([eb('picked_run_id', 'is', null), eb('picked_run_id', '!=', run.id)]))
    .returning('id')
    .executeTakeFirst();
  return task !== undefined;
}

/** Removes the references to a run's checkpoints. */
export async function dropCheckpoints(trx: Trx, runId: string): Promise<void> {
  await updateRun(trx, runId, { checkpoint: null });
  await tables(trx)
    .deleteFrom('artifacts')
    .where('run_id', '=', runId)
    .where('kind', '=', 'checkpoint')
    .execute();
}

/**
 * Removes the texts and files of a run; its end and its cost stay. A run that has not ended comes
 * from a backup made before its end, which is lost.
 */
export async function eraseRun(trx: Trx, runId: string): Promise<void> {
  const run = await lockRun(trx, runId);
  if (run !== undefined && !isFinal(run.status)) {
    await setFinal(trx, runId, { status: 'failed', reason: 'worker_lost' });
  }
  await updateRun(trx, runId, {
    summary_key_id: null,
    summary_data: null,
    files_changed: [],
    checkpoint: null,
    agent_session_id: null,
  });
  await tables(trx).deleteFrom('artifacts').where('run_id', '=', runId).execute();
}
