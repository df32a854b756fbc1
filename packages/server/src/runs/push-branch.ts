import { HoldfastError, newUuidV7 } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import type { DriverDeps } from './deps.ts';
import * as queries from './queries.ts';
import { isFinal } from './run.ts';
import * as store from './store.ts';
import type { RunRow } from './tables.ts';

/**
 * A push of a run's branch to its repository's remote:
 *
 *   asked ──push.intended, with a job──▶ intended ──worker pushes──▶ push.finished
 *                                           └── worker dies: the job comes again, and the remote
 *                                               is asked what it has
 *
 * The intent is committed before the push. Two workers that push at once send the same commit, and
 * one of them writes the end.
 */
export type PushOutcome = 'pushed' | 'already_there' | 'failed';

/** A run that can be pushed: it has ended and has a commit. */
export type PushableRun = Pick<RunRow, 'id'> & {
  readonly branch: string;
  readonly base: string;
  readonly commit: string;
};

/** Throws `conflict` for a run that has not ended, `unprocessable` for one without work. */
export function pushable(
  run: Pick<RunRow, 'id' | 'status' | 'branch' | 'base_commit' | 'head_commit'>,
): PushableRun {
  if (!isFinal(run.status)) {
    throw new HoldfastError('conflict', 'A run that has not ended cannot be pushed.');
  }
  const { id, branch, base_commit: base, head_commit: commit } = run;
  if (branch !== null && base !== null && commit !== null) return { id, branch, base, commit };
  throw new HoldfastError('unprocessable', 'This run left nothing that could be pushed.');
}

/** False where a push is already under way; its job is sent again in case it was lost. */
export async function writeIntent(
  deps: DriverDeps,
  trx: Trx,
  { runId, actor }: { readonly runId: string; readonly actor: string },
): Promise<boolean> {
  const row = await store.lockRun(trx, runId);
  const { branch, commit } = pushable(row!);
  await deps.queue.send(trx, 'push', { push_run_id: runId }, { singletonKey: `push:${runId}` });
  if (await queries.isPushIntended(trx, runId)) return false;
  await deps.log.append(trx, {
    subject: runId,
    actor,
    appendId: newUuidV7(),
    events: [{ type: 'push.intended', data: { branch, commit } }],
  });
  return true;
}
