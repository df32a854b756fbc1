import { newId } from '../kernel/index.ts';
import { settleLost } from '../models/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import { cutToJsonBytes, fencedWrite } from '../work/index.ts';
import { attemptOver, type ClaimedRun, type RunEnd } from './claimed-run.ts';
import type { DriverDeps } from './deps.ts';
import * as queries from './queries.ts';
import { isFinal, isReasonOf, nextStatus } from './run.ts';
import { announceRuns, insertRuns, type StartedRuns } from './start-run.ts';
import * as store from './store.ts';
import type { RunRow } from './tables.ts';

/** Bytes kept of an agent's summary, and of a failure's message. */
const SUMMARY_MAX_BYTES = 48 * 1024;

/** Writes that must commit together with the end of the attempt. */
export type InSameTransaction = (trx: Trx) => Promise<void>;

export async function requeueRun(
  deps: DriverDeps,
  run: ClaimedRun,
  inSameTransaction?: InSameTransaction,
): Promise<void> {
  await fencedWrite(deps, run, async trx => {
    const row = await store.lockRun(trx, run.id);
    if (row?.attempt !== run.attempt) throw attemptOver();
    if (nextStatus(row.status, { type: 'requeue' }) === null) {
      await assertSameLease(deps, trx, run);
      return [];
    }
    await store.setRequeued(trx, run.id, 'drain');
    await deps.queue.send(trx, 'agent', { run_id: run.id }, { singletonKey: run.id });
    await deps.leases.release(trx, run.lease);
    await inSameTransaction?.(trx);
    return [{ type: 'run.requeued', data: { replica: deps.leases.replica, reason: 'drain' } }];
  });
}

export async function finishRun(
  deps: DriverDeps,
  run: ClaimedRun,
  end: RunEnd,
  inSameTransaction?: InSameTransaction,
): Promise<void> {
  if (!isReasonOf(end.status, end.reason)) {
    throw new TypeError(`${end.reason} is no reason of a run that ${end.status}.`);
  }
  let followUp: StartedRuns | undefined;
  await fencedWrite(deps, run, async trx => {
    followUp = undefined;
    const row = await store.lockRun(trx, run.id);
    if (row?.attempt !== run.attempt) throw attemptOver();
    if (isFinal(row.status)) {
      // Retry of a finish whose reply was lost.
      await assertSameLease(deps, trx, run);
      return [];
    }
    if (nextStatus(row.status, { type: 'finish', status: end.status }) === null) {
      throw attemptOver();
    }
    followUp = await startFollowUp(deps, trx, row, end);
    await inSameTransaction?.(trx);
    const { columns, event } = await endOf(deps, trx, row, end);
    await store.setFinal(trx, run.id, columns);
    await deps.leases.release(trx, run.lease);
    return [event];
  });
  if (followUp !== undefined) announceRuns(deps, followUp);
  deps.telemetry.log.info(`run.${end.status}`, { run_id: run.id, reason: end.reason });
}

/** Throws `conflict` unless this attempt wrote what the row holds and its lease is the newest. */
async function assertSameLease(deps: DriverDeps, trx: Trx, run: ClaimedRun): Promise<void> {
  const subject = await deps.log.subject(trx, run.id);
  if (subject?.fence !== run.lease.fence) throw attemptOver();
}

/**
 * The columns of a run's end, with its summary sealed, and the event. Usage is reconciled first,
 * unless the run's only worker ends it, which has recorded every call.
 */
export async function endOf(
  deps: Pick<DriverDeps, 'sealer'>,
  trx: Trx,
  row: store.LockedRun,
  end: RunEnd,
): Promise<{ columns: store.EndOfRun; event: NewEvent }> {
  const { status, reason } = end;
  const summary = cutToJsonBytes(end.summary ?? '', SUMMARY_MAX_BYTES, 'start');
  const sealed = summary === '' ? null : await deps.sealer.seal(trx, row.id, summary);
  const isRecorded = row.attempt === 0 || (row.attempt === 1 && row.status === 'running');
  const { cost_usd } = isRecorded ? row : (await reconcileUsage(trx, row.id)).totals;
  return {
    columns: {
      status,
      reason,
      ...(sealed && { summary_key_id: sealed.keyId, summary_data: sealed.ciphertext }),
    },
    event: endEvent({ duration_s: row.duration_s, cost_usd }, end, summary),
  };
}

function endEvent(
  facts: { readonly duration_s: number; readonly cost_usd: number | null },
  { status, reason, message }: RunEnd,
  summary: string,
): NewEvent {
  if (status === 'succeeded') return { type: 'run.succeeded', data: facts, private: { summary } };
  const data = { reason, ...facts };
  if (status === 'canceled') return { type: 'run.canceled', data };
  if (message === undefined) return { type: 'run.failed', data };
  const cut = cutToJsonBytes(message, SUMMARY_MAX_BYTES, 'start');
  return { type: 'run.failed', data, private: { message: cut } };
}

/**
 * Brings a run's totals in line with its reservations. A worker records each call, but one that
 * died or hurried left out its open calls and perhaps some settled ones.
 */
export async function reconcileUsage(
  trx: Trx,
  runId: string,
): Promise<{
  /** Calls that no worker settled. */
  readonly lostCalls: number;
  readonly totals: Pick<RunRow, 'model_calls' | 'cost_usd'>;
}> {
  const { lostCalls, ...bill } = await settleLost(trx, runId);
  return { lostCalls, totals: await store.raiseUsage(trx, runId, bill) };
}

/**
 * The first message for the agent at work that did not reach it becomes a run of the same agent,
 * which continues its work. The end of that run looks for the next message, so that they are done
 * in order. A canceled run has no follow-up.
 */
async function startFollowUp(
  deps: DriverDeps,
  trx: Trx,
  row: store.LockedRun,
  end: RunEnd,
): Promise<StartedRuns | undefined> {
  if (end.steeredThrough === undefined || end.status === 'canceled') return undefined;
  await store.lockTask(trx, row.task_id);
  const [message] = await queries.messagesForRunning(trx, row.task_id, end.steeredThrough);
  if (message === undefined || (await queries.isContinued(trx, row.id))) return undefined;
  const instruction = await deps.sealer.open(trx, row.task_id, {
    keyId: message.instruction_key_id,
    ciphertext: message.instruction_data,
  });
  if (typeof instruction !== 'string') return undefined;
  const { project_id, task_id, repository_id, agent, model, base_ref } = row;
  return insertRuns(deps, trx, [
    {
      id: newId('run'),
      project_id,
      task_id,
      message_id: message.id,
      repository_id,
      created_by: message.created_by,
      agent,
      model,
      base_ref,
      retry_of: null,
      continues: row.id,
      instruction,
    },
  ]);
}
