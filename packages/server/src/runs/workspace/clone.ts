import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { HoldfastError } from '../../kernel/index.ts';
import type { Sandbox, SandboxMounts } from '../sandbox/index.ts';
import { type CloneDeps, keepHome, saveCheckpoint } from './checkpoint.ts';
import { diffSummary, patchStream } from './diff.ts';
import { removeTree } from './disk.ts';
import { makeFolder } from './layout.ts';
import { importPack } from './quarantine.ts';
import { ignoreOutput, runScript } from './run-script.ts';
import { CHECK_OUT, SNAPSHOT } from './scripts.ts';
import { readSnapshot } from './snapshot.ts';
import type {
  Checkpoint,
  DiffSummary,
  KeptHome,
  SavedWork,
  Snapshot,
  Workspace,
} from './workspace.ts';

/** The state that a clone starts from: commits, and for the index a commit or a tree. */
interface CheckOut {
  readonly head: string;
  readonly tree: string;
  readonly index: string;
}

/** One run's files. Its folders exist before it; `checkOut` fills the clone. */
export class Clone implements Workspace {
  readonly runId: string;
  readonly dir: string;
  readonly homeDir: string;
  readonly testHomeDir: string;
  readonly baseCommit: string;
  readonly branch: string;
  readonly objectsDir: string;
  readonly readOnlyPaths: readonly string[];
  readonly #deps: CloneDeps;
  readonly #folder: string;
  /** The newest work that the run's objects hold. */
  #last: SavedWork | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(deps: CloneDeps, runId: string, folder: string, baseCommit: string) {
    this.#deps = deps;
    this.#folder = folder;
    this.runId = runId;
    this.dir = join(folder, 'workspace');
    this.homeDir = join(folder, 'home');
    this.testHomeDir = join(folder, 'test-home');
    this.baseCommit = baseCommit;
    this.branch = `holdfast/${runId}`;
    this.objectsDir = deps.objects.dir;
    this.readOnlyPaths = [deps.objects.mirror.objectsDir, deps.objects.objectsDir];
  }

  /** For the server's scripts: no model, no network. */
  get mounts(): SandboxMounts {
    return {
      workspace: this.dir,
      home: this.homeDir,
      readOnly: this.readOnlyPaths,
      gatewaySocket: null,
      proxySocket: null,
    };
  }

  async checkOut(state: CheckOut): Promise<void> {
    const { sandbox, limits, objects } = this.#deps;
    await runScript(
      {
        sandbox,
        mounts: this.mounts,
        script: CHECK_OUT,
        what: 'checking out the base',
        timeoutMs: limits.scriptTimeoutMs,
        env: {
          HF_OBJECTS: objects.objectsDir,
          HF_BRANCH: this.branch,
          HF_HEAD: state.head,
          HF_TREE: state.tree,
          HF_INDEX: state.index,
        },
      },
      ignoreOutput,
    );
  }

  /** After a restore: the run's objects hold this work. */
  setLast(work: SavedWork): void {
    this.#last = work;
  }

  snapshot(sandbox: Sandbox, mounts: SandboxMounts): Promise<Snapshot> {
    // One at a time: each builds on the one before.
    const mine = this.#turn.then(() => this.#snapshot(sandbox, mounts));
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #snapshot(sandbox: Sandbox, mounts: SandboxMounts): Promise<Snapshot> {
    const { objects, limits } = this.#deps;
    const before = this.#last;
    const request = {
      sandbox,
      mounts: { ...this.mounts, workspace: mounts.workspace, home: mounts.home },
      script: SNAPSHOT,
      what: 'the snapshot',
      timeoutMs: limits.scriptTimeoutMs,
      env: {
        HF_OBJECTS: objects.objectsDir,
        HF_BASE: this.baseCommit,
        HF_PREV: before?.commit ?? '',
      },
    };
    const work = await runScript(request, async output => {
      const { work, pack } = await readSnapshot(output);
      if (work === null) return null;
      await importPack(objects, pack, {
        commit: work.commit,
        others: [work.headCommit, work.indexTree],
        base: this.baseCommit,
        previous: before?.commit ?? null,
        maxBytes: limits.snapshotPackMaxBytes,
        timeoutMs: limits.scriptTimeoutMs,
      });
      return work;
    });
    if (work === null) throw new HoldfastError('unprocessable', 'The snapshot printed nothing.');
    this.#last = work;
    const changed = work.commit !== before?.commit || work.indexTree !== before.indexTree;
    return { ...work, changed };
  }

  async diff(commit: string): Promise<DiffSummary> {
    const { objects, limits } = this.#deps;
    await objects.expectCommit(commit);
    return diffSummary(objects, { base: this.baseCommit, commit }, limits.filesMax);
  }

  async patch(commit: string): Promise<Readable> {
    const { objects, limits } = this.#deps;
    await objects.expectCommit(commit);
    return patchStream(objects, { base: this.baseCommit, commit }, limits);
  }

  async emptyTestHome(): Promise<void> {
    await removeTree(this.testHomeDir);
    await makeFolder(this.testHomeDir, this.#deps.sandbox.ownerOf(this.runId));
  }

  keepHome(): Promise<KeptHome> {
    return keepHome(this.#deps, this.mounts, { runId: this.runId, folder: this.#folder });
  }

  async saveCheckpoint(number: number, snapshot: Snapshot, home: KeptHome): Promise<Checkpoint> {
    if (this.#last?.commit !== snapshot.commit) {
      throw new HoldfastError('conflict', 'Only the newest snapshot can become a checkpoint.');
    }
    return saveCheckpoint(this.#deps, this, { number, snapshot, home });
  }

  async remove(): Promise<void> {
    // The next tidying tries again.
    await removeTree(this.#folder).catch(() => {});
  }
}
