import type { Component } from '../kernel/index.ts';
import type { BlobStore } from '../platform/blobs/index.ts';
import type { Database } from '../platform/database/index.ts';
import type { Log } from '../platform/log/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { eachOf, eraseAgain } from '../work/index.ts';
import * as queries from './queries.ts';
import * as store from './store.ts';

/**
 * Removes ended runs and checkpoints past their retention. Blobs go before rows, so that an
 * interrupted sweep is done again; two at once do no harm.
 */
export const CHECKPOINTS_KEPT_DAYS = 7;
const BATCH = 100;

interface RetentionDeps {
  readonly database: Database;
  readonly log: Pick<Log, 'erase' | 'broughtBack'>;
  readonly blobs: BlobStore;
  readonly telemetry: Telemetry;
  /** How long ended runs are kept; null or left out: for ever. */
  readonly retentionDays?: number | null;
}

export async function sweepRetired(deps: RetentionDeps): Promise<void> {
  const { database, telemetry, retentionDays = null } = deps;
  const onFailure = (runId: string, error: unknown) =>
    telemetry.log.warn('runs.retention_failed', { run_id: runId, error });
  const query = { endedDays: CHECKPOINTS_KEPT_DAYS, limit: BATCH };
  const checkpointed = await queries.endedWithCheckpoint(database.db, query);
  await eachOf(checkpointed, runId => dropCheckpoints(deps, runId), onFailure);
  if (retentionDays === null) return;
  const retired = await queries.endedToErase(database.db, {
    endedDays: retentionDays,
    limit: BATCH,
  });
  await eachOf(retired, runId => erase(deps, runId), onFailure);
}

export function eraseRunsAgain(deps: RetentionDeps): Component {
  return eraseAgain(deps, 'run', runId => erase(deps, runId));
}

/** Later follow-ups start from the commit, where a worker still has it. */
async function dropCheckpoints({ blobs, database }: RetentionDeps, runId: string): Promise<void> {
  await deleteAll(blobs, `workspaces/${runId}/`);
  await database.transaction(trx => store.dropCheckpoints(trx, runId));
}

/**
 * Removes log, files and texts; the run, its end and its cost stay. Each worker removes the run's
 * objects when it tidies its disk next.
 */
async function erase(deps: RetentionDeps, runId: string): Promise<void> {
  const { blobs, database, log, telemetry } = deps;
  for (const folder of ['workspaces', 'artifacts']) await deleteAll(blobs, `${folder}/${runId}/`);
  await database.transaction(async trx => {
    await store.eraseRun(trx, runId);
    await log.erase(trx, runId);
  });
  telemetry.log.info('run.erased', { run_id: runId });
}

async function deleteAll(blobs: BlobStore, prefix: string): Promise<void> {
  for await (const key of blobs.list(prefix)) await blobs.delete(key);
}
