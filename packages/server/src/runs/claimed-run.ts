import type { ChangedFile, RunReason } from '@holdfast/protocol';
import { HoldfastError } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { Lease } from '../platform/leases/index.ts';
import type { NewEvent } from '../platform/log/index.ts';
import { fencedWrite } from '../work/index.ts';
import type { ContinuedRun } from './claim-store.ts';
import type { DriverDeps } from './deps.ts';
import type { FinalStatus, ResumeReason } from './run.ts';
import * as store from './store.ts';
import type { RunRow } from './tables.ts';
import type { RepositorySource } from './workspace/workspace.ts';

/**
 * A run as its worker holds it: its row as the attempt began, the instruction, and the lease that
 * allows the worker to write.
 */
export type ClaimedRun = Omit<
  Readonly<RunRow>,
  'continues' | 'started_at' | keyof store.UsageTotals
> & {
  readonly lease: Lease;
  /** The message's number in its task; later messages may be steered in. */
  readonly messageNumber: number;
  readonly instruction: string;
  readonly repository: RepositorySource & { readonly testCommand: string | null };
  /** Why there was an attempt before; null: this is the first. */
  readonly resumed: ResumeReason | null;
  /** The run whose work this one starts from. */
  readonly continues: ContinuedRun | null;
  /** When the first attempt began, by the database's clock. */
  readonly started_at: Date;
  /** The usage so far; `recordUsage` keeps it current. */
  readonly usage: store.UsageTotals;
};

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

export type ClaimResult =
  | { readonly kind: 'claimed'; readonly run: ClaimedRun }
  /** It has ended: the job is done. */
  | { readonly kind: 'ended' }
  /** A worker that may be alive holds it. The job is done; another one comes later. */
  | { readonly kind: 'taken' }
  /** Owner or repository have reached their limit. The job is done; another was sent. */
  | { readonly kind: 'later' };

/** How many runs may be at work at once; unset: any number. */
export interface ClaimLimits {
  readonly perOwner?: number;
  readonly perRepository?: number;
}

export interface WorkspaceFacts {
  readonly agentVersion: string | null;
  readonly baseCommit: string;
  readonly branch: string;
  readonly isolated: boolean;
}

export interface NewDiff {
  readonly headCommit: string;
  readonly branch: string;
  readonly files: readonly ChangedFile[];
  readonly insertions: number;
  readonly deletions: number;
  /** The patch's blob, already stored. */
  readonly patch: {
    readonly blobKey: string;
    readonly sizeBytes: number;
    readonly sha256: string;
  };
}

export interface NewTests {
  readonly phase: 'before' | 'after';
  /** Null: it did not end in time. */
  readonly exitCode: number | null;
  readonly durationS: number;
  /** Cut to `TEST_OUTPUT_MAX_BYTES`, keeping its end. */
  readonly output: string;
}

/** One call of a model, settled by the gateway. */
export interface SettledCall {
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
  /** Null for a model without a price. */
  readonly costUsd: number | null;
  /** HTTP status of the upstream's answer. */
  readonly status: number;
}

export interface RunEnd {
  readonly status: FinalStatus;
  /** Null for a success; `canceled` for a canceled run. */
  readonly reason: RunReason | null;
  /** The agent's account of what it did; cut to `SUMMARY_MAX_BYTES`. */
  readonly summary?: string;
  /** Why it failed, for its creator; cut likewise. */
  readonly message?: string;
  /**
   * The number of the last message that the agent took. Later messages for it are done by a
   * follow-up that continues this run, unless it was canceled. Left out: no follow-up.
   */
  readonly steeredThrough?: number;
}

/** A run at work of the asking worker, and the newest message that its agent knows. */
export interface SignalQuery {
  readonly id: string;
  readonly attempt: number;
  readonly taskId: string;
  readonly afterMessage: number;
}

/** Signals for the worker of a run. */
export interface RunSignals {
  readonly runId: string;
  readonly cancelRequested: boolean;
  /** It has ended or another worker has it: stop at once, nothing can be written any more. */
  readonly lost: boolean;
  /** Messages for the agent at work, after the number asked for. */
  readonly messages: readonly {
    readonly id: string;
    readonly number: number;
    readonly instruction: string;
  }[];
}
