import { allOf, HoldfastError, newUuidV7 } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import { LEASE_TTL_MS, type Lease } from '../platform/leases/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import { type Charged, chargeLost } from './bill.ts';
import type { ClaimedRow, OrderedRunRow } from './claim-store.ts';
import * as claims from './claim-store.ts';
import type { ClaimLimits, ClaimResult, ContinuedRun, HeldRun } from './claimed-run.ts';
import { endOf } from './finish-run.ts';
import { type ClaimStep, claimStep, type ResumeReason } from './run.ts';
import type { DriverDeps } from './run-driver.ts';
import * as store from './store.ts';
import { tables } from './tables.ts';

/** How soon a run without a place asks again. */
const NO_PLACE_PAUSE_S = 3;
/**
 * A job comes back sooner than a dead worker's lease expires: whoever holds the lease may be dead.
 * So the run is looked at again when that would show.
 */
const TAKEN_PAUSE_S = LEASE_TTL_MS / 1000 + 1;

/** Takes a run: places, lease, attempt and status in one transaction. */
export async function claim(
  deps: DriverDeps,
  runId: string,
  limits: ClaimLimits,
): Promise<ClaimResult> {
  const result = await deps.database.transaction(async (trx): Promise<ClaimResult> => {
    // All in one way to the database; what turns out not to be wanted is given back.
    const [row, leased, hasRoom] = await allOf([
      claims.lockOrderedRun(trx, runId),
      settled(deps.leases.acquire(trx, runId)),
      hasPlace(trx, runId, limits),
    ]);
    if (row === undefined) throw new HoldfastError('not_found', 'There is no such run.');
    const step = stepOf(row);
    if (step.kind === 'ended') {
      await giveBack(deps, trx, leased);
      return { kind: 'ended' };
    }
    if (step.kind === 'start' && !hasRoom) {
      await giveBack(deps, trx, leased);
      await sendLater(deps, trx, { runId, key: runId, afterS: NO_PLACE_PAUSE_S });
      return { kind: 'later' };
    }
    if (leased.status === 'rejected') throw leased.reason;
    const lease = leased.value;
    if (lease === null) {
      await sendLater(deps, trx, { runId, key: `${runId}:taken`, afterS: TAKEN_PAUSE_S });
      return { kind: 'taken' };
    }
    if (step.kind === 'give_up') {
      await giveUp(deps, trx, row, lease);
      return { kind: 'ended' };
    }
    return { kind: 'held', run: await hold(deps, trx, { row, lease, step }) };
  });
  if (result.kind === 'ended' || result.kind === 'held') deps.log.ring(runId);
  return result;
}

function stepOf(row: ClaimedRow): ClaimStep {
  return claimStep({
    status: row.status,
    attempt: row.attempt,
    lostAttempts: row.lost_attempts,
    requeuedReason: row.requeued_reason,
  });
}

type Leased = PromiseSettledResult<Lease | null>;

async function settled(leasing: Promise<Lease | null>): Promise<Leased> {
  const [leased] = await Promise.allSettled([leasing]);
  return leased;
}

async function giveBack(deps: DriverDeps, trx: Trx, leased: Leased): Promise<void> {
  if (leased.status === 'rejected' || leased.value === null) return;
  await deps.leases.release(trx, leased.value);
}

async function sendLater(
  deps: DriverDeps,
  trx: Trx,
  job: { readonly runId: string; readonly key: string; readonly afterS: number },
): Promise<void> {
  const how = { startAfterS: job.afterS, singletonKey: job.key };
  await deps.queue.send(trx, 'agent', { run_id: job.runId }, how);
}

/** Statements run in the order in which they are given: the count is taken under the locks. */
async function hasPlace(
  trx: Trx,
  runId: string,
  { perOwner = Infinity, perRepository = Infinity }: ClaimLimits,
): Promise<boolean> {
  if (perOwner === Infinity && perRepository === Infinity) return true;
  const [, running] = await allOf([
    claims.lockPlacesOf(trx, runId),
    claims.countRunningBeside(trx, runId),
  ]);
  return running.ofOwner < perOwner && running.inRepository < perRepository;
}

/** Ends a run whose workers keep dying, in the name of whoever noticed. */
async function giveUp(deps: DriverDeps, trx: Trx, row: OrderedRunRow, lease: Lease): Promise<void> {
  const ending = await endOf(deps, trx, row, { status: 'failed', reason: 'worker_lost' });
  await allOf([
    store.setFinal(trx, row.id, ending.facts),
    deps.leases.release(trx, lease),
    say(deps, trx, { lease, attempt: row.attempt, event: ending.event }),
  ]);
  deps.telemetry.log.warn('run.worker_lost', { run_id: row.id, attempt: row.attempt });
}

async function hold(
  deps: DriverDeps,
  trx: Trx,
  taken: { row: OrderedRunRow; lease: Lease; step: Extract<ClaimStep, { kind: 'start' }> },
): Promise<HeldRun> {
  const { lease, step } = taken;
  const charged = step.resumed === null ? null : await chargeLost(trx, taken.row.id);
  const ordered = { ...taken.row, ...charged?.total };
  const { replica } = deps.leases;
  const { lostAttempts } = step;
  const instruction = await deps.sealer.open(trx, ordered.task_id, {
    keyId: ordered.instruction_key_id,
    ciphertext: ordered.instruction_data,
  });
  const continues = await continued(trx, ordered.continues);
  const [row] = await allOf([
    claims.setRunning(trx, ordered.id, { replica, lostAttempts }),
    say(deps, trx, {
      lease,
      attempt: ordered.attempt + 1,
      event: takenEvent(ordered, { resumed: step.resumed, charged }, replica),
    }),
  ]);
  return {
    ...present({ ...ordered, ...row }),
    lease,
    messageNumber: ordered.message_number,
    instruction: typeof instruction === 'string' ? instruction : '',
    repository: {
      id: ordered.repository_id,
      url: ordered.repository_url,
      path: ordered.repository_path,
      defaultBranch: ordered.default_branch,
      testCommand: ordered.test_command,
    },
    resumed: step.resumed,
    continues,
  };
}

function takenEvent(
  row: ClaimedRow,
  { resumed, charged }: { resumed: ResumeReason | null; charged: Charged | null },
  replica: string,
): NewEvent {
  if (resumed === null) return { type: 'run.started', data: { replica } };
  const checkpoint = row.checkpoint?.number ?? null;
  const { model_calls: calls, cost_usd } = row;
  const bill = { calls, lost_calls: charged?.lostCalls ?? 0, cost_usd };
  return { type: 'run.resumed', data: { replica, reason: resumed, checkpoint, ...bill } };
}

/** Appends with the lease that this very transaction took. */
async function say(
  deps: DriverDeps,
  trx: Trx,
  { lease, attempt, event }: { lease: Lease; attempt: number; event: NewEvent },
): Promise<void> {
  await deps.log.append(trx, {
    subject: lease.subject,
    actor: `replica:${lease.replica}`,
    appendId: newUuidV7(),
    events: [event],
    fence: lease.fence,
    attempt,
  });
}

function present(row: ClaimedRow) {
  return {
    id: row.id,
    attempt: row.attempt,
    projectId: row.project_id,
    createdBy: row.created_by,
    taskId: row.task_id,
    messageId: row.message_id,
    agent: row.agent,
    model: row.model,
    baseRef: row.base_ref,
    baseCommit: row.base_commit,
    agentSessionId: row.agent_session_id,
    checkpoint: row.checkpoint,
    cancelRequested: row.cancel_requested_at !== null,
    startedAt: row.started_at ?? row.created_at,
    testBefore: row.test_before && {
      exitCode: row.test_before.exit_code,
      durationS: row.test_before.duration_s,
    },
    usage: {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cachedTokens: row.cached_tokens,
      calls: row.model_calls,
      costUsd: row.cost_usd,
    },
  };
}

async function continued(trx: Trx, id: string | null): Promise<ContinuedRun | null> {
  if (id === null) return null;
  const row = await tables(trx)
    .selectFrom('runs')
    .select(['id', 'agent', 'head_commit', 'agent_session_id', 'checkpoint'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) return null;
  return {
    id: row.id,
    agent: row.agent,
    headCommit: row.head_commit,
    agentSessionId: row.agent_session_id,
    checkpoint: row.checkpoint,
  };
}
