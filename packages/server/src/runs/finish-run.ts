import { allOf } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import { cutToJsonBytes } from '../work/index.ts';
import { chargeLost } from './bill.ts';
import type { HeldRun, RunEnd } from './claimed-run.ts';
import { appendFenced, attemptOver, persist } from './fenced.ts';
import { startFollowUp } from './follow-up.ts';
import { announceRuns, type StartedRuns } from './new-runs.ts';
import { isFinal, isReasonOf, nextStatus } from './run.ts';
import type { DriverDeps } from './run-driver.ts';
import * as store from './store.ts';

/** What is kept of an agent's own words about its work. */
export const SUMMARY_MAX_BYTES = 48 * 1024;

/** What else must be true from the moment on that the attempt is over. */
export type Also = (trx: Trx) => Promise<void>;

export async function requeue(deps: DriverDeps, run: HeldRun, also?: Also): Promise<void> {
  await persist(deps, run, appendId =>
    deps.database.transaction(async trx => {
      const row = await store.lockRun(trx, run.id);
      if (row?.attempt !== run.attempt) throw attemptOver();
      if (nextStatus(row.status, { type: 'requeue' }) === null) return assertOurs(deps, trx, run);
      await store.setRequeued(trx, run.id, 'drain');
      await deps.queue.send(trx, 'agent', { run_id: run.id }, { singletonKey: run.id });
      await deps.leases.release(trx, run.lease);
      await also?.(trx);
      const data = { replica: deps.leases.replica, reason: 'drain' };
      const events: NewEvent[] = [{ type: 'run.requeued', data }];
      await appendFenced(deps, trx, run, { appendId, events });
    }),
  );
}

export async function finish(
  deps: DriverDeps,
  run: HeldRun,
  end: RunEnd,
  also?: Also,
): Promise<void> {
  if (!isReasonOf(end.status, end.reason)) {
    throw new TypeError(`${end.reason} is no reason of a run that ${end.status}.`);
  }
  let followUp: StartedRuns | undefined;
  await persist(deps, run, appendId =>
    deps.database.transaction(async trx => {
      followUp = undefined;
      const row = await store.lockRun(trx, run.id);
      if (row?.attempt !== run.attempt) throw attemptOver();
      // Said before, and its answer was lost.
      if (isFinal(row.status)) return assertOurs(deps, trx, run);
      if (nextStatus(row.status, { type: 'finish', status: end.status }) === null) {
        throw attemptOver();
      }
      followUp = await startFollowUp(deps, trx, row, end);
      await also?.(trx);
      const { facts, event } = await endOf(deps, trx, row, end);
      await allOf([
        store.setFinal(trx, run.id, facts),
        deps.leases.release(trx, run.lease),
        appendFenced(deps, trx, run, { appendId, events: [event] }),
      ]);
    }),
  );
  if (followUp !== undefined) announceRuns(deps, followUp);
  deps.telemetry.log.info(`run.${end.status}`, { run_id: run.id, reason: end.reason });
}

/** Whether what the row says was said by this attempt and nobody has taken the lease since. */
async function assertOurs(deps: DriverDeps, trx: Trx, run: HeldRun): Promise<void> {
  const subject = await deps.log.subject(trx, run.id);
  if (subject?.fence !== run.lease.fence) throw attemptOver();
}

/**
 * What a run's row says of its end, its summary sealed, and the event that tells of it. What it
 * cost is made sure of first, unless its only worker ends it, which has told of every call.
 */
export async function endOf(
  deps: Pick<DriverDeps, 'sealer'>,
  trx: Trx,
  row: Pick<store.LockedRun, 'id' | 'attempt' | 'status' | 'duration_s' | 'cost_usd'>,
  end: RunEnd,
): Promise<{ facts: store.EndFacts; event: NewEvent }> {
  const { status, reason } = end;
  const summary = cutToJsonBytes(end.summary ?? '', SUMMARY_MAX_BYTES, 'start');
  const sealed = summary === '' ? null : await deps.sealer.seal(trx, row.id, summary);
  const isTold = row.attempt === 0 || (row.attempt === 1 && row.status === 'running');
  const total = isTold ? {} : (await chargeLost(trx, row.id)).total;
  const event = endEvent({ ...row, ...total }, end, summary);
  return { facts: { status, reason, summary: sealed }, event };
}

function endEvent(
  { duration_s, cost_usd }: Pick<store.LockedRun, 'duration_s' | 'cost_usd'>,
  { status, reason, message }: RunEnd,
  summary: string,
): NewEvent {
  if (status === 'succeeded') {
    return { type: 'run.succeeded', data: { duration_s, cost_usd }, private: { summary } };
  }
  const data = { reason, duration_s, cost_usd };
  if (status === 'canceled') return { type: 'run.canceled', data };
  if (message === undefined) return { type: 'run.failed', data };
  const cut = cutToJsonBytes(message, SUMMARY_MAX_BYTES, 'start');
  return { type: 'run.failed', data, private: { message: cut } };
}
