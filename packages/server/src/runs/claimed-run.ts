import type { ChangedFile, RunReason } from '@holdfast/protocol';
import type { Lease } from '../platform/leases/index.ts';
import type { FinalStatus, ResumeReason } from './run.ts';
import type { StoredCheckpoint } from './tables.ts';
import type { RepositorySource } from './workspace/workspace.ts';

/** A run as its worker has it: what to do, from where, and the lease that allows it to write. */
export interface HeldRun {
  readonly id: string;
  readonly lease: Lease;
  readonly attempt: number;
  readonly projectId: string;
  readonly createdBy: string;
  readonly taskId: string;
  readonly messageId: string;
  /** The message's number in its task; later messages may be steered in. */
  readonly messageNumber: number;
  readonly instruction: string;
  readonly agent: string;
  readonly model: string | null;
  readonly repository: RepositorySource & { readonly testCommand: string | null };
  readonly baseRef: string | null;
  /** Set once a first attempt has prepared the workspace. */
  readonly baseCommit: string | null;
  /** The agent's own session as the newest checkpoint has it; one that nothing saved is gone. */
  readonly agentSessionId: string | null;
  readonly checkpoint: StoredCheckpoint | null;
  /** Why there was an attempt before; null: this is the first. */
  readonly resumed: ResumeReason | null;
  /** The run whose work this one starts from. */
  readonly continues: ContinuedRun | null;
  /** Somebody canceled it before this attempt began. */
  readonly cancelRequested: boolean;
  /** When the database thinks that the first attempt began. */
  readonly startedAt: Date;
  readonly testBefore: { readonly exitCode: number | null; readonly durationS: number } | null;
  /** What was used so far; kept current by `recordUsage`. */
  readonly usage: {
    inputTokens: number;
    outputTokens: number;
    cachedTokens: number;
    calls: number;
    costUsd: number | null;
  };
}

export interface ContinuedRun {
  readonly id: string;
  readonly agent: string;
  readonly headCommit: string | null;
  readonly agentSessionId: string | null;
  readonly checkpoint: StoredCheckpoint | null;
}

export type ClaimResult =
  | { readonly kind: 'held'; readonly run: HeldRun }
  /** It has ended, by now or before: the job is done. */
  | { readonly kind: 'ended' }
  /** A worker that may live has it. The job is done; another one looks again in a while. */
  | { readonly kind: 'taken' }
  /** Owner or repository have as many under way as they may. The job is done, another was sent. */
  | { readonly kind: 'later' };

/** How many runs may be under way at once; unset: any number. */
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

export interface NewCheckpoint {
  readonly number: number;
  readonly commit: string;
  readonly manifestKey: string;
  /** SHA-256 of the manifest's blob, hexadecimal. */
  readonly sha256: string;
  /** Of everything the checkpoint holds. */
  readonly sizeBytes: number;
  readonly agentSessionId: string | null;
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
  /** What the agent says it did; cut to `SUMMARY_MAX_BYTES`. */
  readonly summary?: string;
  /** Why it failed, for its creator; cut likewise. */
  readonly message?: string;
  /**
   * The number of the last message that the agent heard. What was written for it afterwards is
   * done by a follow-up that continues this run, unless it was canceled. Left out: no follow-up.
   */
  readonly heardThrough?: number;
}

/** What a worker must know of a run it holds. */
export interface RunOrder {
  readonly runId: string;
  readonly cancelRequested: boolean;
  /** It has ended or somebody else holds it: stop at once, nothing can be written any more. */
  readonly lost: boolean;
  /** Messages for the agent at work, after the number asked for. */
  readonly messages: readonly {
    readonly id: string;
    readonly number: number;
    readonly instruction: string;
  }[];
}
