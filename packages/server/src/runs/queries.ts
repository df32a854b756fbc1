import type { RunStatus } from '@holdfast/protocol';
import { sql } from 'kysely';
import { hasBoundedCall } from '../models/index.ts';
import type { Executor } from '../platform/database/index.ts';
import {
  type ArtifactRow,
  MESSAGE_COLUMNS,
  type MessageRow,
  of,
  REPOSITORY_COLUMNS,
  type RepositoryRow,
  RUN_COLUMNS,
  type RunRow,
  TASK_COLUMNS,
  type TaskRow,
  tables,
} from './tables.ts';

/** The reads of this feature. Pages are newest first, by id. */
export interface PageQuery {
  /** Only ids smaller than this one. */
  readonly before?: string | undefined;
  readonly limit: number;
}

export type RunView = RunRow & {
  readonly last_seq: number;
  readonly picked: boolean;
  /** Seconds since the first start, until the end; null before. */
  readonly duration_s: number | null;
  /** Whether `cost_usd` is an upper bound and not the exact cost. */
  readonly cost_is_upper_bound: boolean;
};

function runViews(executor: Executor) {
  return tables(executor)
    .selectFrom('runs')
    .innerJoin('subjects', 'subjects.id', 'runs.id')
    .innerJoin('tasks', 'tasks.id', 'runs.task_id')
    .select(of('runs', RUN_COLUMNS))
    .select([
      'subjects.last_seq',
      sql<boolean>`tasks.picked_run_id is not distinct from runs.id`.as('picked'),
      sql<number | null>`extract(epoch from
        coalesce(runs.finished_at, now()) - runs.started_at)::float8`.as('duration_s'),
      hasBoundedCall(sql.ref('runs.id')).as('cost_is_upper_bound'),
    ]);
}

export async function findRun(executor: Executor, id: string): Promise<RunView | undefined> {
  return await runViews(executor).where('runs.id', '=', id).executeTakeFirst();
}

export async function findRunStatus(
  executor: Executor,
  id: string,
): Promise<RunStatus | undefined> {
  const row = await tables(executor)
    .selectFrom('runs')
    .select('status')
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.status;
}

interface RunFilter extends PageQuery {
  readonly projectId: string;
  readonly taskId?: string | undefined;
  readonly status?: RunStatus | undefined;
}

export async function listRuns(executor: Executor, filter: RunFilter): Promise<RunView[]> {
  let query = runViews(executor).where('runs.project_id', '=', filter.projectId);
  if (filter.taskId !== undefined) query = query.where('runs.task_id', '=', filter.taskId);
  if (filter.status !== undefined) query = query.where('runs.status', '=', filter.status);
  if (filter.before !== undefined) query = query.where('runs.id', '<', filter.before);
  return await query.orderBy('runs.id', 'desc').limit(filter.limit).execute();
}

export async function findRepository(
  executor: Executor,
  id: string,
): Promise<RepositoryRow | undefined> {
  return await tables(executor)
    .selectFrom('repositories')
    .select(REPOSITORY_COLUMNS)
    .where('id', '=', id)
    .executeTakeFirst();
}

export async function listRepositories(
  executor: Executor,
  filter: PageQuery & { readonly projectId: string },
): Promise<RepositoryRow[]> {
  let query = tables(executor)
    .selectFrom('repositories')
    .select(REPOSITORY_COLUMNS)
    .where('project_id', '=', filter.projectId)
    .where('archived_at', 'is', null);
  if (filter.before !== undefined) query = query.where('id', '<', filter.before);
  return await query.orderBy('id', 'desc').limit(filter.limit).execute();
}

export type TaskView = TaskRow & { readonly [K in RunStatus]: number } & {
  readonly cost_usd: number;
  readonly cost_is_upper_bound: boolean;
};

function taskViews(executor: Executor) {
  const count = (status: RunStatus) =>
    sql<number>`count(*) filter (where runs.status = ${sql.lit(status)})`.as(status);
  return tables(executor)
    .selectFrom('tasks')
    .leftJoin('runs', 'runs.task_id', 'tasks.id')
    .select(of('tasks', TASK_COLUMNS))
    .select([count('queued'), count('running'), count('succeeded'), count('failed')])
    .select([
      count('canceled'),
      sql<number>`coalesce(sum(runs.cost_usd), 0)::float8`.as('cost_usd'),
      sql<boolean>`coalesce(bool_or(${hasBoundedCall(sql.ref('runs.id'))}), false)`.as(
        'cost_is_upper_bound',
      ),
    ])
    .groupBy('tasks.id');
}

export async function findTask(executor: Executor, id: string): Promise<TaskView | undefined> {
  return await taskViews(executor).where('tasks.id', '=', id).executeTakeFirst();
}

interface TaskFilter extends PageQuery {
  readonly projectId: string;
  readonly repositoryId?: string | undefined;
}

export async function listTasks(executor: Executor, filter: TaskFilter): Promise<TaskView[]> {
  let query = taskViews(executor).where('tasks.project_id', '=', filter.projectId);
  if (filter.repositoryId !== undefined) {
    query = query.where('tasks.repository_id', '=', filter.repositoryId);
  }
  if (filter.before !== undefined) query = query.where('tasks.id', '<', filter.before);
  return await query.orderBy('tasks.id', 'desc').limit(filter.limit).execute();
}

export async function findMessage(executor: Executor, id: string): Promise<MessageRow | undefined> {
  return await tables(executor)
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('id', '=', id)
    .executeTakeFirst();
}

/** A task with the columns that a new run of it needs; without the totals of its runs. */
export interface StartableTask {
  readonly id: string;
  readonly project_id: string;
  readonly created_by: string;
  readonly repository_id: string;
  readonly repository_archived_at: Date | null;
  /** Null where the task has no such message. */
  readonly message_id: string | null;
  readonly instruction_key_id: string | null;
  readonly instruction_data: Uint8Array | null;
}

/**
 * With the message of this id; left out: with the newest one. Messages that `reader` may not read
 * are not there for it; null reads all.
 */
export async function findStartable(
  executor: Executor,
  taskId: string,
  {
    messageId,
    reader,
  }: { readonly messageId?: string | undefined; readonly reader: string | null },
): Promise<StartableTask | undefined> {
  const readable = sql`(${reader}::text is null or created_by = ${reader})`;
  const { rows } = await sql<StartableTask>`
    select tasks.id, tasks.project_id, tasks.created_by, tasks.repository_id,
      repositories.archived_at as repository_archived_at,
      messages.id as message_id, messages.instruction_key_id, messages.instruction_data
    from tasks
    join repositories on repositories.id = tasks.repository_id
    left join messages on messages.task_id = tasks.id
      and messages.id = coalesce(${messageId ?? null}::text,
        (select id from messages where task_id = tasks.id and ${readable}
          order by number desc limit 1))
      and (${reader}::text is null or messages.created_by = ${reader})
    where tasks.id = ${taskId}`.execute(executor);
  return rows[0];
}

export async function latestMessage(
  executor: Executor,
  taskId: string,
): Promise<MessageRow | undefined> {
  return await tables(executor)
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('task_id', '=', taskId)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Oldest first. */
export async function listMessages(
  executor: Executor,
  filter: { readonly taskId: string; readonly after?: number | undefined; readonly limit: number },
): Promise<MessageRow[]> {
  let query = tables(executor)
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('task_id', '=', filter.taskId);
  if (filter.after !== undefined) query = query.where('number', '>', filter.after);
  return await query.orderBy('number').limit(filter.limit).execute();
}

/** Messages after `number` for the agents at work. Oldest first. */
export async function messagesForRunning(
  executor: Executor,
  taskId: string,
  number: number,
): Promise<MessageRow[]> {
  return await tables(executor)
    .selectFrom('messages')
    .select(MESSAGE_COLUMNS)
    .where('task_id', '=', taskId)
    .where('number', '>', number)
    .where('for_running', '=', true)
    .orderBy('number')
    .limit(50)
    .execute();
}

/** The columns that decide the signals of runs. */
export async function findForSignals(
  executor: Executor,
  ids: readonly string[],
): Promise<Pick<RunRow, 'id' | 'status' | 'attempt' | 'cancel_requested_at'>[]> {
  return await tables(executor)
    .selectFrom('runs')
    .select(['id', 'status', 'attempt', 'cancel_requested_at'])
    .where('id', 'in', ids)
    .execute();
}

/** Whether another run continues this one. */
export async function isContinued(executor: Executor, id: string): Promise<boolean> {
  const row = await tables(executor)
    .selectFrom('runs')
    .select('id')
    .where('continues', '=', id)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether a push was asked for and has not ended. */
export async function isPushIntended(executor: Executor, runId: string): Promise<boolean> {
  const { rows } = await sql<{ type: string }>`
    select type from events
    where subject = ${runId} and type in ('push.intended', 'push.finished')
    order by seq desc limit 1`.execute(executor);
  return rows[0]?.type === 'push.intended';
}

/** The runs of a task that are at work. */
export async function runningOf(executor: Executor, taskId: string): Promise<string[]> {
  const rows = await tables(executor)
    .selectFrom('runs')
    .select('id')
    .where('task_id', '=', taskId)
    .where('status', '=', 'running')
    .execute();
  return rows.map(row => row.id);
}

/** Whether a task has a run that has not ended. */
export async function hasOpenRun(executor: Executor, taskId: string): Promise<boolean> {
  const row = await tables(executor)
    .selectFrom('runs')
    .select('id')
    .where('task_id', '=', taskId)
    .where('status', 'in', ['queued', 'running'])
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

export async function listArtifacts(executor: Executor, runId: string): Promise<ArtifactRow[]> {
  return await tables(executor)
    .selectFrom('artifacts')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('id')
    .limit(1_000)
    .execute();
}

/** The newest patch of a run. */
export async function findPatch(
  executor: Executor,
  runId: string,
): Promise<ArtifactRow | undefined> {
  return await tables(executor)
    .selectFrom('artifacts')
    .selectAll()
    .where('run_id', '=', runId)
    .where('kind', '=', 'patch')
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Queued runs older than `minAgeMs`, whose job may have been lost. Oldest first. */
export async function waitingRuns(
  executor: Executor,
  options: { readonly minAgeMs: number; readonly limit: number },
): Promise<string[]> {
  const rows = await tables(executor)
    .selectFrom('runs')
    .select('id')
    .where('status', '=', 'queued')
    .where('created_at', '<=', sql<Date>`now() - ${options.minAgeMs} * interval '1 millisecond'`)
    .orderBy('created_at')
    .limit(options.limit)
    .execute();
  return rows.map(row => row.id);
}

/** Runs in state running without a lease: given up, or lost with their worker's row. */
export async function unheldRuns(executor: Executor, limit: number): Promise<string[]> {
  const rows = await tables(executor)
    .selectFrom('runs')
    .innerJoin('subjects', 'subjects.id', 'runs.id')
    .select('runs.id')
    .where('runs.status', '=', 'running')
    .where('subjects.lease_replica', 'is', null)
    .limit(limit)
    .execute();
  return rows.map(row => row.id);
}

interface EndedQuery {
  /** Days since the end, at least. */
  readonly endedDays: number;
  readonly limit: number;
}

function endedFor(days: number) {
  return sql<boolean>`runs.finished_at <= now() - ${days} * interval '1 day'`;
}

/** Runs that have not ended may go on from the checkpoint of the one they continue. */
function isContinuedNow() {
  return sql<boolean>`exists (select 1 from runs as next
    where next.continues = runs.id and next.status in ('queued', 'running'))`;
}

/** Ended runs whose checkpoints no run needs any more. */
export async function endedWithCheckpoint(
  executor: Executor,
  query: EndedQuery,
): Promise<string[]> {
  const rows = await tables(executor)
    .selectFrom('runs')
    .select('id')
    .where('checkpoint', 'is not', null)
    .where(endedFor(query.endedDays))
    .where(({ not }) => not(isContinuedNow()))
    .limit(query.limit)
    .execute();
  return rows.map(row => row.id);
}

/** Those of the runs that are not erased. Unknown ones count as erased. */
export async function keptOf(
  executor: Executor,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select id from subjects where id = any(${ids}) and erased_at is null`.execute(executor);
  return new Set(rows.map(row => row.id));
}

/** Ended runs that are not erased yet and that no run continues now. */
export async function endedToErase(executor: Executor, query: EndedQuery): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select runs.id from runs join subjects on subjects.id = runs.id
    where subjects.erased_at is null and ${endedFor(query.endedDays)} and not ${isContinuedNow()}
    limit ${query.limit}`.execute(executor);
  return rows.map(row => row.id);
}
