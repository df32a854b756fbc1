import { HoldfastError, newUuidV7 } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import { LEASE_TTL_MS, type Lease } from '../platform/leases/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import { appendFenced } from '../work/index.ts';
import * as claims from './claim-store.ts';
import type { ClaimedRun, ClaimLimits, ClaimResult } from './claimed-run.ts';
import type { DriverDeps } from './deps.ts';
import { endOf, reconcileUsage } from './finish-run.ts';
import { type ClaimStep, claimStep, type ResumeReason } from './run.ts';
import * as store from './store.ts';

/** How soon a run without a slot asks again. */
const NO_SLOT_PAUSE_S = 3;
/**
 * A job comes back sooner than a dead worker's lease expires, and the holder of the lease may be
 * dead. So another job comes once that lease would have expired.
 */
const TAKEN_PAUSE_S = LEASE_TTL_MS / 1000 + 1;

/**
 * Takes a run in one transaction: looks at it, checks whether it may start, takes its lease, marks
 * it running and appends `run.started` or `run.resumed`.
 */
export async function claimRun(
  deps: DriverDeps,
  runId: string,
  limits: ClaimLimits,
): Promise<ClaimResult> {
  const result = await deps.database.transaction(async (trx): Promise<ClaimResult> => {
    const row = await claims.lockToClaim(trx, runId);
    if (row === undefined) throw new HoldfastError('not_found', 'There is no such run.');
    const step = claimStep(row);
    if (step.kind === 'ended') return { kind: 'ended' };
    if (step.kind === 'start' && !(await hasSlot(trx, row, limits))) {
      const options = { startAfterS: NO_SLOT_PAUSE_S, singletonKey: runId };
      await deps.queue.send(trx, 'agent', { run_id: runId }, options);
      return { kind: 'later' };
    }
    const lease = await deps.leases.acquire(trx, runId);
    if (lease === null) {
      const options = { startAfterS: TAKEN_PAUSE_S, singletonKey: `${runId}:taken` };
      await deps.queue.send(trx, 'agent', { run_id: runId }, options);
      return { kind: 'taken' };
    }
    if (step.kind === 'give_up') {
      await giveUp(deps, trx, row, lease);
      return { kind: 'ended' };
    }
    return { kind: 'claimed', run: await beginAttempt(deps, trx, { row, lease, step }) };
  });
  if (result.kind === 'ended' || result.kind === 'claimed') deps.log.ring(runId);
  return result;
}

/** The locks come first, so that simultaneous claims count each other. */
async function hasSlot(
  trx: Trx,
  row: claims.ClaimableRow,
  { perOwner = Infinity, perRepository = Infinity }: ClaimLimits,
): Promise<boolean> {
  if (perOwner === Infinity && perRepository === Infinity) return true;
  await claims.lockSlots(trx, row);
  const running = await claims.countRunningBeside(trx, row);
  return running.ofOwner < perOwner && running.inRepository < perRepository;
}

/** Ends a run whose workers keep dying; the event names the worker that noticed. */
async function giveUp(
  deps: DriverDeps,
  trx: Trx,
  row: claims.ClaimableRow,
  lease: Lease,
): Promise<void> {
  const end = await endOf(deps, trx, row, { status: 'failed', reason: 'worker_lost' });
  await store.setFinal(trx, row.id, end.columns);
  await deps.leases.release(trx, lease);
  const holding = { lease, attempt: row.attempt };
  await appendFenced(deps, trx, holding, { appendId: newUuidV7(), events: [end.event] });
  deps.telemetry.log.warn('run.worker_lost', { run_id: row.id, attempt: row.attempt });
}

async function beginAttempt(
  deps: DriverDeps,
  trx: Trx,
  claimed: {
    readonly row: claims.ClaimableRow;
    readonly lease: Lease;
    readonly step: Extract<ClaimStep, { kind: 'start' }>;
  },
): Promise<ClaimedRun> {
  const { lease, step } = claimed;
  const { replica } = deps.leases;
  const { lostAttempts } = step;
  const { lostCalls } =
    step.resumed === null ? { lostCalls: 0 } : await reconcileUsage(trx, claimed.row.id);
  const begun = await claims.setRunning(trx, claimed.row.id, { replica, lostAttempts });
  const row = { ...claimed.row, ...begun };
  const instruction = await deps.sealer.open(trx, row.task_id, {
    keyId: row.instruction_key_id,
    ciphertext: row.instruction_data,
  });
  const continues = row.continues === null ? null : await claims.findContinued(trx, row.continues);
  const event = eventOf(row, { resumed: step.resumed, lostCalls });
  const holding = { lease, attempt: row.attempt };
  await appendFenced(deps, trx, holding, { appendId: newUuidV7(), events: [event] });
  return {
    ...row,
    started_at: row.started_at ?? row.created_at,
    lease,
    messageNumber: row.message_number,
    instruction: typeof instruction === 'string' ? instruction : '',
    repository: {
      id: row.repository_id,
      url: row.repository_url,
      path: row.repository_path,
      defaultBranch: row.default_branch,
      testCommand: row.test_command,
    },
    resumed: step.resumed,
    continues,
    usage: {
      input_tokens: row.input_tokens,
      output_tokens: row.output_tokens,
      cached_tokens: row.cached_tokens,
      model_calls: row.model_calls,
      cost_usd: row.cost_usd,
    },
  };
}

function eventOf(
  row: claims.ClaimableRow,
  { resumed, lostCalls }: { readonly resumed: ResumeReason | null; readonly lostCalls: number },
): NewEvent {
  const { replica, model_calls, cost_usd } = row;
  if (resumed === null) return { type: 'run.started', data: { replica } };
  const checkpoint = row.checkpoint?.number ?? null;
  const usage = { calls: model_calls, lost_calls: lostCalls, cost_usd };
  return { type: 'run.resumed', data: { replica, reason: resumed, checkpoint, ...usage } };
}
