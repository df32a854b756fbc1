import { setTimeout as delay } from 'node:timers/promises';
import { HoldfastError, newUuidV7 } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import type { ClaimedRun } from './claimed-run.ts';
import type { DriverDeps } from './deps.ts';
import * as store from './store.ts';

/** Shorter than a lease: whoever waited longer has lost it anyway. */
const PERSIST_MS = 10_000;
const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 2_000;

/** The error of a worker whose attempt is over, whoever noticed. */
export function attemptOver(): HoldfastError {
  return new HoldfastError('conflict', 'The run has ended or another worker has it.', {
    field: 'attempt',
  });
}

/**
 * One write of the worker: locks the run's row, lets `work` write and say what happened, and
 * appends that with the lease's fence. Throws `conflict` when the attempt is over.
 */
export async function fenced(
  deps: DriverDeps,
  run: ClaimedRun,
  work: (trx: Trx) => Promise<readonly NewEvent[]>,
): Promise<void> {
  await persist(deps, run, appendId =>
    deps.database.transaction(async trx => {
      const row = await store.lockRun(trx, run.id);
      if (row?.attempt !== run.attempt || row.status !== 'running') throw attemptOver();
      const events = await work(trx);
      await appendFenced(deps, trx, run, { appendId, events });
    }),
  );
}

export async function appendFenced(
  deps: DriverDeps,
  trx: Trx,
  run: ClaimedRun,
  { appendId, events }: { appendId: string; events: readonly NewEvent[] },
): Promise<void> {
  await deps.log.append(trx, {
    subject: run.id,
    actor: `replica:${deps.leases.replica}`,
    appendId,
    events,
    fence: run.lease.fence,
    attempt: run.attempt,
  });
}

/** Tries again while the database is away; `work` gets the same append id each time. */
export async function persist(
  deps: DriverDeps,
  run: Pick<ClaimedRun, 'id'>,
  work: (appendId: string) => Promise<void>,
): Promise<void> {
  const appendId = newUuidV7();
  const until = performance.now() + (deps.persistMs ?? PERSIST_MS);
  for (let attempt = 0; ; attempt += 1) {
    try {
      await work(appendId);
      deps.log.ring(run.id);
      return;
    } catch (error) {
      const away = error instanceof HoldfastError && error.code === 'unavailable';
      const pauseMs = Math.min(RETRY_BASE_MS * 2 ** attempt, RETRY_MAX_MS);
      if (!away || performance.now() + pauseMs > until) throw error;
      await delay(pauseMs, undefined, { ref: false });
    }
  }
}
