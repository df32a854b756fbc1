import { RUN_ENDINGS, type RunReason, type RunStatus } from '@holdfast/protocol';
import type { Kind } from '../work/index.ts';
import type { RunRow } from './tables.ts';

/**
 * A run's life:
 *
 *   queued ──claim──▶ running ──finish──▶ succeeded | failed | canceled
 *     │  ▲              │  │ └─claim─▶ running      the attempt before was lost with its worker
 *     │  └───requeue────┘  └─claim─▶ failed         … for the third time without a new checkpoint
 *     └──cancel──▶ canceled                         no worker has it: it ends at once
 *
 * An attempt is one holding of the lease; it starts with a claim. An attempt that neither finishes
 * nor is given back by a drain is lost: the next claim finds the run still `running`. Lost attempts
 * are counted until a new checkpoint is saved, drains never are. Canceling a run that a worker
 * drives is a request; the worker saves the work and finishes. An ended run never moves again: a
 * retry or follow-up is a new run.
 */
export const LOST_ATTEMPTS_MAX = 3;

/** Agent runs as a kind of work. */
export const RUN_KIND: Kind = {
  name: 'run',
  prefix: 'run',
  scope: 'runs',
  endings: RUN_ENDINGS,
  snapshotUrl: id => `/v1/runs/${id}`,
  queues: [
    { name: 'agent', subjectKey: 'run_id' },
    { name: 'push', subjectKey: 'push_run_id', formerName: 'polling' },
  ],
};

export type FinalStatus = Extract<RunStatus, 'succeeded' | 'failed' | 'canceled'>;

export function isFinal(status: RunStatus): status is FinalStatus {
  return status === 'succeeded' || status === 'failed' || status === 'canceled';
}

export type ResumeReason = 'worker_lost' | 'drain';

export type ClaimStep =
  /** It has ended; there is nothing to do. */
  | { readonly kind: 'ended' }
  | {
      readonly kind: 'start';
      /** Null: the first attempt. */
      readonly resumed: ResumeReason | null;
      readonly lostAttempts: number;
    }
  /** Too many attempts were lost: it ends as `failed`, reason `worker_lost`. */
  | { readonly kind: 'give_up'; readonly lostAttempts: number };

/** What a claim makes of a run whose lease is free. */
export function claimStep(
  run: Readonly<Pick<RunRow, 'status' | 'attempt' | 'lost_attempts'>>,
): ClaimStep {
  if (isFinal(run.status)) return { kind: 'ended' };
  if (run.status === 'queued') {
    const resumed = run.attempt === 0 ? null : 'drain';
    return { kind: 'start', resumed, lostAttempts: run.lost_attempts };
  }
  const lostAttempts = run.lost_attempts + 1;
  if (lostAttempts >= LOST_ATTEMPTS_MAX) return { kind: 'give_up', lostAttempts };
  return { kind: 'start', resumed: 'worker_lost', lostAttempts };
}

type RunInput =
  | { readonly type: 'requeue' }
  | { readonly type: 'cancel' }
  | { readonly type: 'finish'; readonly status: FinalStatus };

/** The status after `input`; null where it changes nothing. */
export function nextStatus(status: RunStatus, input: RunInput): RunStatus | null {
  switch (input.type) {
    case 'requeue':
      return status === 'running' ? 'queued' : null;
    case 'cancel':
      return status === 'queued' ? 'canceled' : null;
    case 'finish':
      return status === 'running' ? input.status : null;
  }
}

/** Whether `reason` may stand beside `status`; only a success has none. */
export function isReasonOf(status: FinalStatus, reason: RunReason | null): boolean {
  if (status === 'succeeded') return reason === null;
  if (status === 'canceled') return reason === 'canceled';
  return reason !== null && reason !== 'canceled';
}

/** Only a failed or canceled run can be tried again. */
export function isRetryable(status: RunStatus): boolean {
  return status === 'failed' || status === 'canceled';
}
