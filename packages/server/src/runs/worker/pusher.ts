import { HoldfastError, newUuidV7, toHoldfastError } from '../../kernel/index.ts';
import type { Job } from '../../platform/queue/index.ts';
import { type PushableRun, type PushOutcome, pushable } from '../push-branch.ts';
import * as queries from '../queries.ts';
import { isFinal } from '../run.ts';
import * as store from '../store.ts';
import type { CiChanges, RepositorySource } from '../workspace/workspace.ts';
import type { WorkerDeps } from './deps.ts';

/** After so many tries an unreachable remote is a failure. */
export const PUSH_TRIES_MAX = 5;
/** Files of CI that a refusal names. */
const NAMED_MAX = 5;

export type PusherDeps = Pick<
  WorkerDeps,
  'database' | 'log' | 'leases' | 'telemetry' | 'workspaces'
>;

/**
 * Carries out an intended push, outside of any sandbox and with the server's credentials; a job
 * that comes again finds its push done, or asks the remote. Throws errors that another try may not
 * meet.
 */
export async function pushRun(deps: PusherDeps, runId: string, job: Job): Promise<void> {
  const { db } = deps.database;
  const row = await queries.findRun(db, runId);
  if (row === undefined || !isFinal(row.status)) return;
  if (!(await queries.isPushIntended(db, runId))) return;
  const repository = await queries.findRepository(db, row.repository_id);
  if (repository === undefined) return;
  const run = pushable(row);
  const { id, url, path, default_branch: defaultBranch } = repository;
  const source = { id, url, path, defaultBranch };
  try {
    if (row.checkpoint !== null)
      await adopt(deps, source, { runId, key: row.checkpoint.manifest_key });
    const ciChanges = repository.allow_ci_changes
      ? null
      : await deps.workspaces.ciChanges(source, run);
    if (ciChanges !== null && ciChanges.total > 0) {
      const message = refusalOf(ciChanges);
      return await finish(deps, run, { outcome: 'failed', message, ciChanges });
    }
    const { outcome } = await deps.workspaces.push(source, run, async () => {
      // The run may have been erased meanwhile: fetching and waiting for a lock take minutes.
      if (!(await queries.isPushIntended(db, runId))) {
        throw new HoldfastError('gone', 'The run was erased, or its push has ended.');
      }
    });
    await finish(deps, run, { outcome });
  } catch (thrown) {
    const error = toHoldfastError(thrown);
    deps.telemetry.log.warn('push.failed', { run_id: runId, error });
    const isForGood = FINAL_CODES.includes(error.code);
    if (!isForGood && job.retries + 1 < PUSH_TRIES_MAX) throw error;
    // The reason why a remote is unreachable concerns operators only.
    const message = isForGood ? error.detail : 'The remote could not be reached for too long.';
    await finish(deps, run, { outcome: 'failed', message });
  }
}

/** CI would run the changed workflow with the repository's secrets, before a person has read it. */
function refusalOf({ files, total }: CiChanges): string {
  const named = files.slice(0, NAMED_MAX);
  const more = total > named.length ? ` and ${total - named.length} more` : '';
  return (
    `The branch changes CI workflows: ${named.join(', ')}${more}. It is pushed once the ` +
    "repository's allow_ci_changes is true, which its creator and Admins can set."
  );
}

/** Where the checkpoint is no longer kept, the run's objects may still be on this worker. */
async function adopt(
  deps: PusherDeps,
  source: RepositorySource,
  { runId, key }: { readonly runId: string; readonly key: string },
): Promise<void> {
  try {
    await deps.workspaces.adopt(source, runId, await deps.workspaces.readCheckpoint(key));
  } catch (error) {
    if (toHoldfastError(error).code !== 'gone') throw error;
  }
}

async function finish(
  deps: PusherDeps,
  { id, branch, commit }: PushableRun,
  end: {
    readonly outcome: PushOutcome;
    readonly message?: string;
    readonly ciChanges?: CiChanges;
  },
): Promise<void> {
  const { outcome, message, ciChanges } = end;
  const written = await deps.database.transaction(async trx => {
    await store.lockRun(trx, id);
    if (!(await queries.isPushIntended(trx, id))) return false;
    await deps.log.append(trx, {
      subject: id,
      actor: `replica:${deps.leases.replica}`,
      appendId: newUuidV7(),
      events: [
        {
          type: 'push.finished',
          data: { branch, commit, outcome },
          private: {
            ...(message !== undefined && { message }),
            ...(ciChanges && { ci_changes: ciChanges }),
          },
        },
      ],
    });
    return true;
  });
  if (!written) return;
  deps.log.ring(id);
  deps.telemetry.log.info('push.finished', { run_id: id, outcome });
}

/** Errors that every further try would meet. */
const FINAL_CODES: readonly string[] = [
  'conflict',
  'forbidden',
  'gone',
  'invalid_request',
  'unprocessable',
];
