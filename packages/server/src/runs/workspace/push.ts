import { HoldfastError } from '../../kernel/index.ts';
import type { BareRepository } from './bare-repository.ts';
import { GitError, git } from './git.ts';
import { listRemote, type Remote } from './remote.ts';
import type { WorkspaceLimits } from './workspace.ts';

const BRANCH = /^holdfast\/[A-Za-z0-9][A-Za-z0-9_-]{0,79}$/;
const COMMIT = /^[0-9a-f]{40}$/;

interface PushRequest {
  readonly remote: Remote;
  readonly branch: string;
  readonly commit: string;
  /** Throws where it must not be pushed any more. */
  readonly confirm: () => Promise<void>;
}

/**
 * Pushes with a lease: the remote's branch must not have changed since it was read, and it must be
 * absent, our last push, or a commit that the new one contains. So a push may be repeated after any
 * crash, and never overwrites the commits of others.
 */
export async function push(
  objects: BareRepository,
  request: PushRequest,
  limits: WorkspaceLimits,
): Promise<{ outcome: 'pushed' | 'already_there' }> {
  const { branch, commit } = request;
  if (!BRANCH.test(branch) || !COMMIT.test(commit)) {
    throw new HoldfastError('invalid_request', 'Only a run and its own branch can be pushed.');
  }
  await objects.expectCommit(commit);
  const there = await remoteCommit(request, limits);
  if (there === commit) {
    await remember(objects, request);
    return { outcome: 'already_there' };
  }
  if (there !== null && !(await mayReplace(objects, request, there))) throw moved(branch);
  await request.confirm();
  await send(objects, request, { expected: there, limits });
  await remember(objects, request);
  return { outcome: 'pushed' };
}

async function remoteCommit(request: PushRequest, limits: WorkspaceLimits): Promise<string | null> {
  const ref = `refs/heads/${request.branch}`;
  const { refs } = await listRemote(request.remote, [ref], limits.gitTimeoutMs);
  return refs.get(ref) ?? null;
}

async function mayReplace(
  objects: BareRepository,
  request: PushRequest,
  there: string,
): Promise<boolean> {
  const pushed = await objects.git(['for-each-ref', '--format=%(objectname)', pushedRef(request)]);
  if (pushed === there) return true;
  return (await objects.hasCommit(there)) && (await objects.isAncestor(there, request.commit));
}

async function send(
  objects: BareRepository,
  request: PushRequest,
  { expected, limits }: { expected: string | null; limits: WorkspaceLimits },
): Promise<void> {
  const { remote, branch, commit } = request;
  const ref = `refs/heads/${branch}`;
  const args = [
    ...['push', '--quiet', '--no-verify', '--recurse-submodules=no', '--no-follow-tags'],
    ...[`--force-with-lease=${ref}:${expected ?? ''}`, '--', remote.address, `${commit}:${ref}`],
  ];
  try {
    await git(args, objects.options({ ...remote, timeoutMs: limits.fetchTimeoutMs }));
  } catch (cause) {
    if (!(cause instanceof GitError)) throw cause;
    // The reply may be lost after the remote took the push, so the remote is asked.
    const there = await remoteCommit(request, limits);
    if (there === commit) return;
    if (there !== expected) throw moved(branch, cause);
    const detail = 'The remote refused the push, or could not be reached.';
    throw new HoldfastError('unprocessable', detail, { cause });
  }
}

/** A ref that no fetch touches. */
function pushedRef({ branch }: PushRequest): string {
  return `refs/holdfast/pushed/${branch}`;
}

async function remember(objects: BareRepository, request: PushRequest): Promise<void> {
  await objects.git(['update-ref', pushedRef(request), request.commit]);
}

function moved(branch: string, cause?: unknown): HoldfastError {
  const detail = `The remote's branch ${branch} has commits that are not of this run.`;
  return new HoldfastError('conflict', detail, { cause });
}
