import { HoldfastError } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import { fencedWrite } from '../work/index.ts';
import type { ClaimedRun } from './claimed-run.ts';
import type { DriverDeps } from './deps.ts';
import * as store from './store.ts';

/** The error of a worker whose attempt is over: the run has ended, or another worker has it. */
export function attemptOver(): HoldfastError {
  return new HoldfastError('conflict', 'The run has ended or another worker has it.', {
    field: 'attempt',
  });
}

/** A `fencedWrite` that locks the run's row first. Throws `conflict` when the attempt is over. */
export async function fenced(
  deps: DriverDeps,
  run: ClaimedRun,
  work: (trx: Trx) => Promise<readonly NewEvent[]>,
): Promise<void> {
  await fencedWrite(deps, run, async trx => {
    const row = await store.lockRun(trx, run.id);
    if (row?.attempt !== run.attempt || row.status !== 'running') throw attemptOver();
    return work(trx);
  });
}
