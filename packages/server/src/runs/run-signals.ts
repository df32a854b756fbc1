import { WAKE_BATCH, wakeLost } from '../work/index.ts';
import type { RunSignals, SignalQuery } from './claimed-run.ts';
import type { DriverDeps } from './deps.ts';
import * as queries from './queries.ts';
import { RUN_KIND } from './run.ts';

/** A queued run this old without a worker may have lost its job; sending another does no harm. */
const QUEUED_STALE_MS = 60_000;

export async function signalsOf(
  deps: Pick<DriverDeps, 'database' | 'sealer'>,
  runs: readonly SignalQuery[],
): Promise<RunSignals[]> {
  if (runs.length === 0) return [];
  const rows = await queries.findForSignals(
    deps.database.db,
    runs.map(run => run.id),
  );
  const byId = new Map(rows.map(row => [row.id, row]));
  const found: RunSignals[] = [];
  for (const run of runs) {
    const row = byId.get(run.id);
    const lost = row?.status !== 'running' || row.attempt !== run.attempt;
    found.push({
      runId: run.id,
      cancelRequested: row?.cancel_requested_at != null,
      lost,
      messages: lost ? [] : await newMessages(deps, run),
    });
  }
  return found;
}

async function newMessages(
  deps: Pick<DriverDeps, 'database' | 'sealer'>,
  run: SignalQuery,
): Promise<RunSignals['messages']> {
  const { db } = deps.database;
  const rows = await queries.messagesForRunning(db, run.taskId, run.afterMessage);
  const opened = await deps.sealer.openAll(
    db,
    run.taskId,
    rows.map(row => ({ keyId: row.instruction_key_id, ciphertext: row.instruction_data })),
  );
  return rows.flatMap((row, index) => {
    const instruction = opened[index];
    if (typeof instruction !== 'string') return [];
    return [{ id: row.id, number: row.number, instruction }];
  });
}

/** Sends jobs again for runs that have not ended and that no worker drives; answers how many. */
export async function wakeLostRuns(deps: DriverDeps): Promise<number> {
  const { db } = deps.database;
  return wakeLost(deps, RUN_KIND, [
    ...(await queries.unheldRuns(db, WAKE_BATCH)),
    ...(await queries.waitingRuns(db, { minAgeMs: QUEUED_STALE_MS, limit: WAKE_BATCH })),
  ]);
}
