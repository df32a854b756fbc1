import type { Database } from '../platform/database/index.ts';
import type { Leases } from '../platform/leases/index.ts';
import {
  createJournal,
  type Journal,
  type JournalLoss,
  type Log,
  type NewEvent,
} from '../platform/log/index.ts';
import type { Queue } from '../platform/queue/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { claim } from './claim-run.ts';
import type {
  ClaimLimits,
  ClaimResult,
  HeldRun,
  NewCheckpoint,
  NewDiff,
  NewTests,
  RunEnd,
  RunOrder,
  SettledCall,
  WorkspaceFacts,
} from './claimed-run.ts';
import * as facts from './driver-facts.ts';
import { type Also, finish, requeue } from './finish-run.ts';
import { abandonUnknown, type OrderQuery, orders, wakeLost } from './run-signals.ts';

/**
 * What the worker that drives a run may do to it. Each verb is one transaction that writes the row
 * and appends to the log with the lease's fencing token: a worker that lost its lease gets
 * `conflict` and has written nothing. A verb that fails because the database was away is tried
 * again within `persistMs`, with the same append id, so that nothing is written twice.
 */
export interface RunDriver {
  /**
   * Takes a run that nobody alive holds: lease, attempt, status, and `run.started` or `run.resumed`
   * in one transaction. A run that lost too many attempts ends here as `worker_lost`. Throws
   * `not_found` for an unknown run.
   */
  claim(runId: string, limits?: ClaimLimits): Promise<ClaimResult>;
  /** `workspace.ready`: where the attempt begins. */
  workspaceReady(run: HeldRun, facts: WorkspaceFacts): Promise<void>;
  /** For what the agent says. Flush it before the verbs below, so that the order is kept. */
  journal(run: HeldRun, onLost: (loss: JournalLoss) => void): Journal;
  /** Appends by itself, for what must be in the log before something is done. */
  append(run: HeldRun, events: readonly NewEvent[]): Promise<void>;
  /** After the manifest's blob was written: `checkpoint.saved`; lost attempts count anew. */
  saveCheckpointRow(run: HeldRun, checkpoint: NewCheckpoint): Promise<void>;
  /** `patch.created`, with the artifact's row. The newest one counts. */
  setDiff(run: HeldRun, diff: NewDiff): Promise<void>;
  setTests(run: HeldRun, tests: NewTests): Promise<void>;
  /** `model.called`, and the run's totals. */
  recordUsage(run: HeldRun, call: SettledCall): Promise<void>;
  /** Gives a run back in a drain: queued again, with a job. Does not count as lost. */
  requeue(run: HeldRun, also?: Also): Promise<void>;
  /**
   * Ends the run and gives up its lease; starts the follow-up that `heardThrough` asks for. The
   * same attempt may say it again; another may not.
   */
  finish(run: HeldRun, end: RunEnd, also?: Also): Promise<void>;
  /**
   * Gives up the lease of a run that is neither finished nor requeued, after a failure of ours: the
   * attempt counts as lost, and the next claim need not wait for the lease to expire.
   */
  abandon(run: HeldRun): Promise<void>;
  /**
   * Gives up what leases this replica has of these runs, except those that it is busy with: a claim
   * whose COMMIT was not answered may have taken one, and everybody waits for a live holder.
   * Answers how many.
   */
  abandonUnknown(runIds: readonly string[], isBusy: (runId: string) => boolean): Promise<number>;
  /** What came up about runs that this worker holds; ask on each ring of them and each second. */
  orders(held: readonly OrderQuery[]): Promise<RunOrder[]>;
  /**
   * Sends jobs again for runs that nobody drives though they have not ended: the sweep for jobs
   * that were lost. Answers how many.
   */
  wakeLost(): Promise<number>;
}

export interface DriverDeps {
  readonly database: Database;
  readonly log: Log;
  readonly leases: Leases;
  readonly sealer: Sealer;
  readonly queue: Pick<Queue, 'send'>;
  readonly telemetry: Telemetry;
  /** How long a verb is tried again while the database is away. Default `PERSIST_MS`. */
  readonly persistMs?: number;
}

/** How long what an agent says gathers before it is written. */
const JOURNAL_FLUSH_MS = 50;

export function createRunDriver(deps: DriverDeps): RunDriver {
  return {
    claim: (runId, limits = {}) => claim(deps, runId, limits),
    workspaceReady: (run, ready) => facts.workspaceReady(deps, run, ready),
    journal: (run, onLost) => openJournal(deps, run, onLost),
    append: (run, events) => facts.append(deps, run, events),
    saveCheckpointRow: (run, checkpoint) => facts.saveCheckpoint(deps, run, checkpoint),
    setDiff: (run, diff) => facts.setDiff(deps, run, diff),
    setTests: (run, tests) => facts.setTests(deps, run, tests),
    recordUsage: (run, call) => facts.recordUsage(deps, run, call),
    requeue: (run, also) => requeue(deps, run, also),
    finish: (run, end, also) => finish(deps, run, end, also),
    abandon: run => deps.leases.release(deps.database.db, run.lease),
    abandonUnknown: (runIds, isBusy) => abandonUnknown(deps, runIds, isBusy),
    orders: held => orders(deps, held),
    wakeLost: () => wakeLost(deps),
  };
}

function openJournal(deps: DriverDeps, run: HeldRun, onLost: (loss: JournalLoss) => void): Journal {
  return createJournal({
    log: deps.log,
    subject: run.id,
    actor: actorOf(deps),
    fence: run.lease.fence,
    attempt: run.attempt,
    flushMs: JOURNAL_FLUSH_MS,
    telemetry: deps.telemetry,
    onLost,
  });
}

export function actorOf(deps: Pick<DriverDeps, 'leases'>): string {
  return `replica:${deps.leases.replica}`;
}
