import type { ChangedFile, RunReason } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { RunBill } from '../models/index.ts';
import type { Executor, Trx } from '../platform/database/index.ts';
import type { FinalStatus } from './run.ts';
import { type RunRow, type StoredCheckpoint, type StoredTest, tables } from './tables.ts';

/** The writes of runs. Every instant is the database's. */

export interface NewRunRow {
  readonly id: string;
  readonly projectId: string;
  readonly taskId: string;
  readonly messageId: string;
  readonly repositoryId: string;
  readonly createdBy: string;
  readonly agent: string;
  readonly model: string | null;
  readonly baseRef: string | null;
  readonly retryOf: string | null;
  readonly continues: string | null;
}

export async function insertRun(trx: Trx, run: NewRunRow): Promise<void> {
  await tables(trx)
    .insertInto('runs')
    .values({
      id: run.id,
      project_id: run.projectId,
      task_id: run.taskId,
      message_id: run.messageId,
      repository_id: run.repositoryId,
      created_by: run.createdBy,
      agent: run.agent,
      model: run.model,
      status: 'queued',
      base_ref: run.baseRef,
      retry_of: run.retryOf,
      continues: run.continues,
    })
    .execute();
}

/** What is asked of a run by those who are about to change it. */
const LOCKED_COLUMNS = [
  'id',
  'project_id',
  'task_id',
  'repository_id',
  'agent',
  'model',
  'base_ref',
  'status',
  'attempt',
  'branch',
  'head_commit',
  'cost_usd',
  'cancel_requested_at',
] as const;

export type LockedRun = Pick<RunRow, (typeof LOCKED_COLUMNS)[number]> & {
  /** Seconds since its first start. */
  readonly duration_s: number;
};

export const DURATION_S = sql<number>`
  coalesce(extract(epoch from now() - runs.started_at), 0)::float8`;

export async function lockRun(trx: Trx, id: string): Promise<LockedRun | undefined> {
  return await tables(trx)
    .selectFrom('runs')
    .select(LOCKED_COLUMNS)
    .select(DURATION_S.as('duration_s'))
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

/** Serialises those who count, under one name, what waits or runs. */
export async function lockPlaces(trx: Trx, name: string): Promise<void> {
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

export async function setRequeued(trx: Trx, id: string, reason: string): Promise<void> {
  await tables(trx)
    .updateTable('runs')
    .set({ status: 'queued', requeued_reason: reason, replica: null })
    .where('id', '=', id)
    .execute();
}

export interface EndFacts {
  readonly status: FinalStatus;
  readonly reason: RunReason | null;
  readonly summary: { keyId: string; ciphertext: Uint8Array } | null;
}

export async function setFinal(trx: Trx, id: string, end: EndFacts): Promise<void> {
  await tables(trx)
    .updateTable('runs')
    .set({
      status: end.status,
      reason: end.reason,
      finished_at: sql<Date>`now()`,
      requeued_reason: null,
      ...(end.summary && {
        summary_key_id: end.summary.keyId,
        summary_data: end.summary.ciphertext,
      }),
    })
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

export interface Facts {
  readonly isolated?: boolean;
  readonly baseCommit?: string;
  readonly headCommit?: string;
  readonly branch?: string;
  readonly agentSessionId?: string;
  readonly files?: readonly ChangedFile[];
  readonly insertions?: number;
  readonly deletions?: number;
  readonly testBefore?: StoredTest;
  readonly testAfter?: StoredTest;
  /** A new checkpoint: attempts lost before it no longer count. */
  readonly checkpoint?: StoredCheckpoint;
}

export async function setFacts(trx: Trx, id: string, facts: Facts): Promise<void> {
  const { isolated, baseCommit, headCommit, branch, agentSessionId } = facts;
  const { files, insertions, deletions, testBefore, testAfter, checkpoint } = facts;
  const values = {
    ...(isolated !== undefined && { isolated }),
    ...(baseCommit !== undefined && { base_commit: baseCommit }),
    ...(headCommit !== undefined && { head_commit: headCommit }),
    ...(branch !== undefined && { branch }),
    ...(agentSessionId !== undefined && { agent_session_id: agentSessionId }),
    ...(files !== undefined && { files_changed: JSON.stringify(files) }),
    ...(insertions !== undefined && { insertions }),
    ...(deletions !== undefined && { deletions }),
    ...(testBefore !== undefined && { test_before: JSON.stringify(testBefore) }),
    ...(testAfter !== undefined && { test_after: JSON.stringify(testAfter) }),
    ...(checkpoint !== undefined && {
      checkpoint: JSON.stringify(checkpoint),
      lost_attempts: 0,
    }),
  };
  if (Object.keys(values).length === 0) return;
  await tables(trx).updateTable('runs').set(values).where('id', '=', id).execute();
}

/** What a run has used in all: totals, so that writing them twice changes nothing. */
export interface UsageTotals {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  readonly calls: number;
  readonly costUsd: number | null;
}

export async function setUsage(trx: Trx, id: string, totals: UsageTotals): Promise<void> {
  // Writes of one driver may overtake each other; totals only grow.
  await sql`
    update runs set
      input_tokens = greatest(input_tokens, ${totals.inputTokens}::bigint),
      output_tokens = greatest(output_tokens, ${totals.outputTokens}::bigint),
      cached_tokens = greatest(cached_tokens, ${totals.cachedTokens}::bigint),
      model_calls = greatest(model_calls, ${totals.calls}::integer),
      cost_usd = greatest(cost_usd, ${totals.costUsd}::float8)
    where id = ${id}`.execute(trx);
}

/** Writes what a run's calls come to, unless more is known already; answers what is true then. */
export async function setBill(
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

export interface NewArtifact {
  readonly id: string;
  readonly runId: string;
  readonly kind: 'patch' | 'log' | 'checkpoint';
  readonly blobKey: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Inserts the row, or answers the id of the one that already names this blob. */
export async function insertArtifact(executor: Executor, artifact: NewArtifact): Promise<string> {
  const row = await tables(executor)
    .insertInto('artifacts')
    .values({
      id: artifact.id,
      run_id: artifact.runId,
      kind: artifact.kind,
      blob_key: artifact.blobKey,
      content_type: artifact.contentType,
      size_bytes: artifact.sizeBytes,
      sha256: artifact.sha256,
    })
    .onConflict(conflict =>
      conflict.column('blob_key').doUpdateSet({
        size_bytes: artifact.sizeBytes,
        sha256: artifact.sha256,
      }),
    )
    .returning('id')
    .executeTakeFirstOrThrow();
  return row.id;
}
