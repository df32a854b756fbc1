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
import { Clone } from './clone.ts';
import { Layout } from './layout.ts';
import { Mirror } from './mirror.ts';
import { Locks } from './mirror-lock.ts';
import { push } from './push.ts';
import { importPack } from './quarantine.ts';
import { type Remote, type RemoteEnv, remoteOf } from './remote.ts';
import { RunObjects } from './run-objects.ts';
import { tidyDisk } from './tidy.ts';
import {
  type Checkpoint,
  type CiChanges,
  DEFAULT_LIMITS,
  type KeptRuns,
  type RepositorySource,
  type RunWork,
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
    const { objects, base } = await this.#pin(request, null);
    const { continues } = request;
    const clone = this.#clone(request, objects, base);
    return this.#fill(clone, async () => {
      const start = continues?.commit ?? base;
      if (start !== base) await this.#copy(request.repository, continues!, { objects, base });
      await clone.checkOut({ head: start, tree: start, index: start });
    });
  }

  async restore(request: WorkspaceRequest, checkpoint: Checkpoint): Promise<Clone> {
    const { objects, base } = await this.#pin(request, checkpoint);
    const clone = this.#clone(request, objects, base);
    return this.#fill(clone, async () => {
      await this.#importCheckpoint(objects, checkpoint);
      const { commit, headCommit, indexTree } = checkpoint;
      await clone.checkOut({ head: headCommit, tree: commit, index: indexTree });
      await restoreHome(this.#deps(objects), clone.mounts, checkpoint);
      clone.setLast(checkpoint);
    });
  }

  #clone({ runId }: WorkspaceRequest, objects: RunObjects, base: string): Clone {
    return new Clone(this.#deps(objects), runId, this.#layout.run(runId), base);
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

  /** Copies another run's work: nothing of this run leans on what may be erased before it. */
  async #copy(
    source: RepositorySource,
    { runId, commit }: NonNullable<WorkspaceRequest['continues']>,
    { objects, base }: { readonly objects: RunObjects; readonly base: string },
  ): Promise<void> {
    const from = await this.#objects(source, runId, base);
    await from.expectCommit(commit);
    const { checkpointPackMaxBytes: maxBytes, scriptTimeoutMs: timeoutMs } = this.#limits;
    const claim = { commit, others: [], base, previous: null, maxBytes, timeoutMs };
    await importPack(objects, from.pack([commit, `^${base}`], timeoutMs), claim);
  }

  /**
   * Provides base, objects and the run's folders; the folders keep the mirror from being removed.
   */
  #pin(request: WorkspaceRequest, checkpoint: Checkpoint | null) {
    const { repository, runId } = request;
    const commit = checkpoint?.baseCommit ?? request.baseCommit;
    return this.#open(repository, runId, {
      base: mirror => this.#base(mirror, request, commit),
      pin: () => this.#layout.createRun(runId, repository.id, this.#options.sandbox),
    });
  }

  /** A run's objects with its base in the mirror behind them, empty where there were none. */
  async #objects(source: RepositorySource, runId: string, base: string): Promise<RunObjects> {
    const { objects } = await this.#open(source, runId, {
      base: mirror => this.#commit(mirror, source, base),
      pin: async () => {},
    });
    return objects;
  }

  async #open(
    source: RepositorySource,
    runId: string,
    steps: {
      readonly base: (mirror: Mirror) => Promise<string>;
      /** Done under the lock. */
      readonly pin: () => Promise<void>;
    },
  ): Promise<{ objects: RunObjects; base: string }> {
    const mirror = this.#mirror(source);
    const objects = new RunObjects(this.#layout.objects(source.id, runId), this.#limits, mirror);
    for (;;) {
      const base = await steps.base(mirror);
      const isOpen = await this.#locks.run(this.#layout.lock(source.id), async () => {
        if (!(await mirror.hasCommit(base))) return false;
        await mirror.touch();
        await mirror.keepBase(runId, base);
        await objects.open();
        await steps.pin();
        return true;
      });
      // Otherwise tidying removed the mirror in between.
      if (isOpen) return { objects, base };
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

  async #importCheckpoint(objects: RunObjects, checkpoint: Checkpoint): Promise<void> {
    if (checkpoint.packKey === null) return;
    const pack = await openCheckpointBlob(this.#options, checkpoint.packKey);
    await importPack(objects, pack, {
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

  async adopt(source: RepositorySource, runId: string, checkpoint: Checkpoint): Promise<void> {
    const objects = await this.#objects(source, runId, checkpoint.baseCommit);
    if (await objects.hasCommit(checkpoint.commit)) return;
    await this.#importCheckpoint(objects, checkpoint);
  }

  async inspect(source: RepositorySource): Promise<{ defaultBranch: string }> {
    const mirror = this.#mirror(source);
    const remote = await this.#remote(source);
    const { defaultBranch } = source;
    if (defaultBranch === null) return { defaultBranch: await mirror.remoteHead(remote) };
    await mirror.checkRemoteBranch(remote, defaultBranch);
    return { defaultBranch };
  }

  async ciChanges(source: RepositorySource, work: RunWork): Promise<CiChanges> {
    const objects = await this.#objects(source, work.id, work.base);
    await objects.expectCommit(work.commit);
    return ciChanges(objects, work);
  }

  async push(
    source: RepositorySource,
    work: RunWork & { readonly branch: string },
    confirm: () => Promise<void>,
  ) {
    const { branch, commit } = work;
    const request = { remote: await this.#remote(source), branch, commit, confirm };
    const objects = await this.#objects(source, work.id, work.base);
    const lock = this.#layout.lock(source.id);
    return this.#locks.run(lock, () => push(objects, request, this.#limits));
  }

  async tidy(runs: KeptRuns): Promise<void> {
    await tidyDisk({ layout: this.#layout, locks: this.#locks, limits: this.#limits }, runs);
  }

  #mirror(source: RepositorySource): Mirror {
    return new Mirror(this.#layout.mirror(source.id), this.#limits);
  }

  async #remote(source: RepositorySource): Promise<Remote> {
    return remoteOf(source, (await this.#options.remoteEnv?.(source)) ?? {});
  }

  #deps(objects: RunObjects): CloneDeps {
    const { blobs, sealer, sandbox } = this.#options;
    return { objects, blobs, sealer, sandbox, limits: this.#limits };
  }
}
