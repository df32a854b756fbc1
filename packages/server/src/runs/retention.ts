import { sql } from 'kysely';
import type { BlobStore } from '../platform/blobs/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Log } from '../platform/log/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import * as store from './store.ts';
import { tables } from './tables.ts';

/**
 * What is no longer kept of ended runs. Blobs go first and rows after them, so that a sweep that
 * was cut off is done again; two at once do no harm.
 */
export const CHECKPOINTS_KEPT_DAYS = 7;
const BATCH = 100;

export interface RetentionDeps {
  readonly database: Database;
  readonly log: Pick<Log, 'erase'>;
  readonly blobs: BlobStore;
  readonly telemetry: Telemetry;
  /** How long ended runs are kept; null or left out: for ever. */
  readonly retentionDays?: number | null;
}

export async function sweepRetired(deps: RetentionDeps): Promise<void> {
  const { retentionDays = null } = deps;
  await each(deps, await checkpointed(deps), runId => dropCheckpoints(deps, runId));
  if (retentionDays === null) return;
  await each(deps, await retired(deps, retentionDays), runId => erase(deps, runId));
}

/** One that cannot be tidied keeps no other from it. */
async function each(
  { telemetry }: RetentionDeps,
  ids: readonly string[],
  work: (runId: string) => Promise<void>,
): Promise<void> {
  for (const id of ids) {
    await work(id).catch((error: unknown) => {
      telemetry.log.warn('runs.retention_failed', { run_id: id, error });
    });
  }
}

function endedFor(days: number) {
  return sql<boolean>`runs.finished_at <= now() - ${days} * interval '1 day'`;
}

/** Runs that have not ended may go on from the checkpoint of the one they continue. */
function isContinuedNow() {
  return sql<boolean>`exists (select 1 from runs as next
    where next.continues = runs.id and next.status in ('queued', 'running'))`;
}

async function checkpointed({ database }: RetentionDeps): Promise<string[]> {
  const rows = await tables(database.db)
    .selectFrom('runs')
    .select('id')
    .where('checkpoint', 'is not', null)
    .where(endedFor(CHECKPOINTS_KEPT_DAYS))
    .where(({ not }) => not(isContinuedNow()))
    .limit(BATCH)
    .execute();
  return rows.map(row => row.id);
}

async function retired({ database }: RetentionDeps, days: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select runs.id from runs join subjects on subjects.id = runs.id
    where subjects.erased_at is null and ${endedFor(days)} and not ${isContinuedNow()}
    limit ${BATCH}`.execute(database.db);
  return rows.map(row => row.id);
}

/** Follow-ups start from the commit afterwards, where a mirror still has it. */
async function dropCheckpoints({ blobs, database }: RetentionDeps, runId: string): Promise<void> {
  await deleteAll(blobs, `workspaces/${runId}/`);
  await database.transaction(async trx => {
    const values = { checkpoint: null };
    await tables(trx).updateTable('runs').set(values).where('id', '=', runId).execute();
    await tables(trx)
      .deleteFrom('artifacts')
      .where('run_id', '=', runId)
      .where('kind', '=', 'checkpoint')
      .execute();
  });
}

/** Log, files and words go; that there was a run, how it ended and what it cost stay. */
async function erase(deps: RetentionDeps, runId: string): Promise<void> {
  const { blobs, database, log, telemetry } = deps;
  for (const folder of ['workspaces', 'artifacts']) await deleteAll(blobs, `${folder}/${runId}/`);
  await database.transaction(async trx => {
    await store.lockRun(trx, runId);
    await tables(trx)
      .updateTable('runs')
      .set({
        ...{ summary_key_id: null, summary_data: null, files_changed: '[]' },
        ...{ checkpoint: null, agent_session_id: null },
      })
      .where('id', '=', runId)
      .execute();
    await tables(trx).deleteFrom('artifacts').where('run_id', '=', runId).execute();
    await log.erase(trx, runId);
  });
  telemetry.log.info('run.erased', { run_id: runId });
}

async function deleteAll(blobs: BlobStore, prefix: string): Promise<void> {
  for await (const key of blobs.list(prefix)) await blobs.delete(key);
}
