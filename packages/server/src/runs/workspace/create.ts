import { HoldfastError } from '../../kernel/index.ts';
import type { Sandbox } from '../sandbox/index.ts';
import {
  type BlobPorts,
  type CloneDeps,
  openCheckpointBlob,
  readCheckpoint,
  restoreHome,
} from './checkpoint.ts';
import { ciChanges } from './ci-changes.ts';
import { Clone, refOf } from './clone.ts';
import { Layout } from './layout.ts';
import { Mirror } from './mirror.ts';
import { Locks } from './mirror-lock.ts';
import { push } from './push.ts';
import { importPack } from './quarantine.ts';
import { type Remote, type RemoteEnv, remoteOf } from './remote.ts';
import { tidyDisk } from './tidy.ts';
import {
  type Checkpoint,
  type CiChanges,
  DEFAULT_LIMITS,
  type RepositorySource,
  type WorkspaceLimits,
  type WorkspaceRequest,
  type Workspaces,
} from './workspace.ts';

export interface WorkspacesOptions extends BlobPorts {
  /** Mirrors and clones; one folder per worker, though processes may share it. */
  readonly dir: string;
  /** Where checkouts, snapshots and archives of homes are made and unpacked. */
  readonly sandbox: Sandbox;
  readonly limits?: Partial<WorkspaceLimits>;
  /** Credentials of the server for a remote; default: those its ssh finds by itself. */
  readonly remoteEnv?: RemoteEnv;
}

export async function createWorkspaces(options: WorkspacesOptions): Promise<Workspaces> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const layout = new Layout(options.dir);
  await layout.open();
  return new GitWorkspaces(options, layout, limits);
}

class GitWorkspaces implements Workspaces {
  readonly #options: WorkspacesOptions;
  readonly #layout: Layout;
  readonly #limits: WorkspaceLimits;
  readonly #locks: Locks;
  /** Fetches that wait for the lock; one serves all requests that come before it starts. */
  readonly #fetches = new Map<string, Promise<void>>();

  constructor(options: WorkspacesOptions, layout: Layout, limits: WorkspaceLimits) {
    this.#options = options;
    this.#layout = layout;
    this.#limits = limits;
    this.#locks = new Locks(limits.fetchTimeoutMs);
  }

  async prepare(request: WorkspaceRequest): Promise<Clone> {
    const { mirror, base } = await this.#pin(request, null);
    const clone = this.#clone(request, mirror, base);
    return this.#fill(clone, () => clone.checkOut({ head: base, tree: base, index: base }));
  }

  async restore(request: WorkspaceRequest, checkpoint: Checkpoint): Promise<Clone> {
    const { mirror, base } = await this.#pin(request, checkpoint);
    const clone = this.#clone(request, mirror, base);
    return this.#fill(clone, async () => {
      await this.#importCheckpoint(mirror, checkpoint);
      const { commit, headCommit, indexTree } = checkpoint;
      await clone.checkOut({ head: headCommit, tree: commit, index: indexTree });
      await restoreHome(this.#deps(mirror), clone.mounts, checkpoint);
      await mirror.git(['update-ref', refOf(request.runId), commit]);
      clone.setLast(checkpoint);
    });
  }

  #clone({ runId }: WorkspaceRequest, mirror: Mirror, base: string): Clone {
    return new Clone(this.#deps(mirror), runId, this.#layout.run(runId), base);
  }

  /** Removes a clone that could not be filled. */
  async #fill(clone: Clone, work: () => Promise<void>): Promise<Clone> {
    try {
      await work();
      return clone;
    } catch (error) {
      await clone.remove();
      throw error;
    }
  }

  /**
   * Provides mirror, base and the run's folders; the folders keep the mirror from being removed.
   */
  async #pin(request: WorkspaceRequest, checkpoint: Checkpoint | null) {
    const { repository, runId } = request;
    const mirror = this.#mirror(repository);
    const commit = checkpoint?.baseCommit ?? request.baseCommit;
    for (;;) {
      const base = await this.#base(mirror, request, commit);
      const isPinned = await this.#locks.run(this.#layout.lock(repository.id), async () => {
        if (!(await mirror.hasCommit(base))) return false;
        await mirror.touch();
        await this.#layout.createRun(runId, repository.id, this.#options.sandbox);
        return true;
      });
      // Otherwise tidying removed the mirror in between.
      if (isPinned) return { mirror, base };
    }
  }

  async #base(mirror: Mirror, request: WorkspaceRequest, commit: string | null): Promise<string> {
    const { repository } = request;
    if (commit !== null) return this.#commit(mirror, repository, commit);
    const remote = await this.#remote(repository);
    await this.#fetch(repository, mirror, remote);
    const ref = request.baseRef ?? repository.defaultBranch ?? (await mirror.remoteHead(remote));
    const base = await mirror.resolve(ref);
    if (base !== null) return base;
    const detail = `The repository has no branch, tag or commit ${ref}.`;
    throw new HoldfastError('unprocessable', detail, { field: 'base_ref' });
  }

  async #commit(mirror: Mirror, source: RepositorySource, commit: string): Promise<string> {
    if (await mirror.hasCommit(commit)) return commit;
    const remote = await this.#remote(source);
    await this.#fetch(source, mirror, remote);
    if (await mirror.hasCommit(commit)) return commit;
    const lock = this.#layout.lock(source.id);
    await this.#locks.run(lock, () => mirror.fetchCommit(remote, commit)).catch(() => {});
    if (await mirror.hasCommit(commit)) return commit;
    throw new HoldfastError('gone', 'The commit this work starts from no longer exists.');
  }

  #fetch(source: RepositorySource, mirror: Mirror, remote: Remote): Promise<void> {
    const waiting = this.#fetches.get(source.id);
    if (waiting) return waiting;
    const fetching = this.#locks.run(this.#layout.lock(source.id), () => {
      this.#fetches.delete(source.id);
      return mirror.fetch(remote);
    });
    this.#fetches.set(source.id, fetching);
    const forget = () => {
      if (this.#fetches.get(source.id) === fetching) this.#fetches.delete(source.id);
    };
    fetching.then(forget, forget);
    return fetching;
  }

  async #importCheckpoint(mirror: Mirror, checkpoint: Checkpoint): Promise<void> {
    if (checkpoint.packKey === null) return;
    const pack = await openCheckpointBlob(this.#options, checkpoint.packKey);
    await importPack(mirror, pack, {
      commit: checkpoint.commit,
      others: [checkpoint.headCommit, checkpoint.indexTree],
      base: checkpoint.baseCommit,
      previous: null,
      maxBytes: this.#limits.checkpointPackMaxBytes,
      timeoutMs: this.#limits.scriptTimeoutMs,
    });
  }

  readCheckpoint(key: string): Promise<Checkpoint> {
    return readCheckpoint(this.#options, key);
  }

  async adopt(source: RepositorySource, checkpoint: Checkpoint): Promise<void> {
    const { commit } = checkpoint;
    const mirror = this.#mirror(source);
    if (await mirror.hasCommit(commit)) return;
    await this.#commit(mirror, source, checkpoint.baseCommit);
    await this.#importCheckpoint(mirror, checkpoint);
    // Without a ref, the next repacking would drop the commit.
    await mirror.git(['update-ref', `refs/holdfast/adopted/${commit}`, commit]);
  }

  async inspect(source: RepositorySource): Promise<{ defaultBranch: string }> {
    const mirror = this.#mirror(source);
    const remote = await this.#remote(source);
    const { defaultBranch } = source;
    if (defaultBranch === null) return { defaultBranch: await mirror.remoteHead(remote) };
    await mirror.checkRemoteBranch(remote, defaultBranch);
    return { defaultBranch };
  }

  async ciChanges(
    source: RepositorySource,
    commits: { readonly base: string; readonly commit: string },
  ): Promise<CiChanges> {
    const mirror = this.#mirror(source);
    if (await mirror.hasCommit(commits.commit)) return ciChanges(mirror, commits);
    throw new HoldfastError('gone', 'This work is no longer on this worker.');
  }

  async push(source: RepositorySource, branch: string, commit: string) {
    const request = { remote: await this.#remote(source), branch, commit };
    const lock = this.#layout.lock(source.id);
    return this.#locks.run(lock, () => push(this.#mirror(source), request, this.#limits));
  }

  async tidy(isLive: (runId: string) => Promise<boolean>): Promise<void> {
    await tidyDisk({ layout: this.#layout, locks: this.#locks, limits: this.#limits }, isLive);
  }

  #mirror(source: RepositorySource): Mirror {
    return new Mirror(this.#layout.mirror(source.id), this.#limits);
  }

  async #remote(source: RepositorySource): Promise<Remote> {
    return remoteOf(source, (await this.#options.remoteEnv?.(source)) ?? {});
  }

  #deps(mirror: Mirror): CloneDeps {
    const { blobs, sealer, sandbox } = this.#options;
    return { mirror, blobs, sealer, sandbox, limits: this.#limits };
  }
}
