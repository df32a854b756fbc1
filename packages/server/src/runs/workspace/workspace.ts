import type { Readable } from 'node:stream';
import type { ChangedFile } from '@holdfast/protocol';
import type { Sandbox, SandboxMounts } from '../sandbox/sandbox.ts';

const MIB = 1024 ** 2;

/**
 * The files of runs: on each worker one bare mirror per repository, and for each run a clone of its
 * own with two stores read-only behind it: the objects that this run made, and the mirror's, which
 * are the remote's and nothing else. A run sees no objects that another made.
 *
 * The server never runs git on configuration an agent could write and never opens or fetches from
 * an agent's `.git`. An agent's work comes out by `snapshot`: git *inside the sandbox* writes a
 * pack to its output, and the server reads only those bytes, in quarantine. It opens no file of the
 * agent's, which could be a link or change meanwhile.
 */
export interface RepositorySource {
  readonly id: string;
  readonly url: string | null;
  readonly path: string | null;
  readonly defaultBranch: string | null;
}

export interface WorkspaceRequest {
  readonly runId: string;
  readonly repository: RepositorySource;
  /** Branch, tag or commit; null: the default branch. Throws `unprocessable` when it is missing. */
  readonly baseRef: string | null;
  /** Set on later attempts and follow-ups: exactly this commit, which the mirror must get. */
  readonly baseCommit: string | null;
  /**
   * Work of another run to start from, which is on this worker; `baseCommit` is that run's. The
   * caller has checked that it may be read. Throws `gone` when it is not here.
   */
  readonly continues?: { readonly runId: string; readonly commit: string } | null;
}

/** What a run made, as the place that it has among the objects of its worker. */
export interface RunWork {
  /** The run. */
  readonly id: string;
  readonly base: string;
  readonly commit: string;
}

/** What the tidying of a worker's disk asks about runs. */
export interface KeptRuns {
  /** Whether the run waits or is at work: its folders stay. */
  isLive(runId: string): Promise<boolean>;
  /** Those of the runs that are not erased: their objects stay while the disk has room. */
  keptOf(runIds: readonly string[]): Promise<ReadonlySet<string>>;
}

/** Names of git objects that hold an agent's work. */
export interface SavedWork {
  /** A commit of ours on top of the base that holds the agent's commits, index and files. */
  readonly commit: string;
  /** The commit the agent was on: the parent of `commit`, or `commit` itself. */
  readonly headCommit: string;
  /** The tree of the agent's index. */
  readonly indexTree: string;
}

export interface Snapshot extends SavedWork {
  /** False when nothing differs from the snapshot before. */
  readonly changed: boolean;
}

export interface DiffSummary {
  readonly files: readonly ChangedFile[];
  readonly insertions: number;
  readonly deletions: number;
}

/** Changed files of CI: the first of them, shortened, and how many there are. */
export interface CiChanges {
  readonly files: readonly string[];
  readonly total: number;
}

/** The state that another worker resumes a run from; stored as JSON in the blob `manifestKey`. */
export interface Checkpoint extends SavedWork {
  /** Counts up within a run. */
  readonly number: number;
  readonly baseCommit: string;
  /** Blob with the objects since the base; null: there are none. */
  readonly packKey: string | null;
  /** Blob with the archive of the home. */
  readonly homeKey: string;
  /** Of both blobs. */
  readonly sizeBytes: number;
  /** Written last, so its presence proves that the other blobs are there. */
  readonly manifestKey: string;
}

/** An archive on this machine, sealed with the key of its run. */
export interface KeptHome {
  /** The archive, opened; the caller consumes or destroys it. */
  read(): Readable;
  drop(): Promise<void>;
}

export interface Workspace {
  readonly runId: string;
  readonly dir: string;
  readonly homeDir: string;
  /** The home of the repository's own tests; it exists after `emptyTestHome`. */
  readonly testHomeDir: string;
  readonly baseCommit: string;
  /** `holdfast/<run id>`; unique to the run, in its clone and on the remote. */
  readonly branch: string;
  /** The run's objects, to which every snapshot adds. */
  readonly objectsDir: string;
  /** Host paths that git needs read-only inside: the mirror's objects, and the run's. */
  readonly readOnlyPaths: readonly string[];
  /** Takes the present state into the run's objects. */
  snapshot(sandbox: Sandbox, mounts: SandboxMounts): Promise<Snapshot>;
  diff(commit: string): Promise<DiffSummary>;
  /** `git diff --binary` of base and `commit`, bounded by `patchMaxBytes`. */
  patch(commit: string): Promise<Readable>;
  /**
   * Archives the run's home as it is now, beside the clone. Take it before the snapshot it belongs
   * to: an agent's session must not know of work that the snapshot lacks. The caller drops the
   * archive.
   */
  keepHome(): Promise<KeptHome>;
  /** Makes `testHomeDir` anew, empty. */
  emptyTestHome(): Promise<void>;
  /** Stores the objects since the base and the home, then the manifest. */
  saveCheckpoint(number: number, snapshot: Snapshot, home: KeptHome): Promise<Checkpoint>;
  /** Removes clone and home; snapshots stay in the run's objects. Never rejects. */
  remove(): Promise<void>;
}

export interface Workspaces {
  prepare(request: WorkspaceRequest): Promise<Workspace>;
  /** Clone and home as a checkpoint left them. Throws `gone` when its blobs are missing. */
  restore(request: WorkspaceRequest, checkpoint: Checkpoint): Promise<Workspace>;
  /** The checkpoint whose manifest is at `key`. Throws `gone` when there is none. */
  readCheckpoint(key: string): Promise<Checkpoint>;
  /**
   * Gets the commits of a run's checkpoint into its objects, for a follow-up or a push on a worker
   * that does not have them. Throws `gone` when its blobs are missing.
   */
  adopt(source: RepositorySource, runId: string, checkpoint: Checkpoint): Promise<void>;
  /**
   * Reaches a repository before it is stored; answers its default branch, the given one or the
   * remote's. Throws `unprocessable` where it cannot be read or has no such branch, `unavailable`
   * where it does not answer in time.
   */
  inspect(source: RepositorySource): Promise<{ defaultBranch: string }>;
  /**
   * What the commits since the base change of the files from which a remote's CI takes its
   * workflows. Throws `gone` where the work is not on this worker.
   */
  ciChanges(source: RepositorySource, work: RunWork): Promise<CiChanges>;
  /**
   * Pushes the work as `branch` with `--force-with-lease` against what the remote has. Answers
   * `already_there` when the remote's branch is that commit. `confirm` throws where it must not be
   * pushed any more; it is asked once nothing is left to wait for.
   */
  push(
    source: RepositorySource,
    work: RunWork & { readonly branch: string },
    confirm: () => Promise<void>,
  ): Promise<{ outcome: 'pushed' | 'already_there' }>;
  /**
   * Removes workspaces of runs that are not live, objects of erased runs, and what is over the disk
   * bound; packs the objects of runs that have ended.
   */
  tidy(runs: KeptRuns): Promise<void>;
}

/** Bounds of repositories and workspaces; tests and settings may change each of them. */
export const DEFAULT_LIMITS = {
  /** A mirror with everything of its remote. A fetch that grows beyond it is stopped. */
  repositoryMaxBytes: 2048 * MIB,
  /** The pack of one snapshot. */
  snapshotPackMaxBytes: 256 * MIB,
  /** A checkpoint's objects since the base. */
  checkpointPackMaxBytes: 1024 * MIB,
  /** A run's home in a checkpoint, before compression. */
  homeMaxBytes: 512 * MIB,
  patchMaxBytes: 32 * MIB,
  /** Changed files that are listed; totals count all. */
  filesMax: 3_000,
  /** All together; mirrors and objects of ended runs go, least recently used first. */
  diskMaxBytes: 20 * 1024 * MIB,
  fetchTimeoutMs: 10 * 60_000,
  /** One git command on a mirror. */
  gitTimeoutMs: 60_000,
  /** One script inside the sandbox: checkout, snapshot, packing the home. */
  scriptTimeoutMs: 5 * 60_000,
};

export type WorkspaceLimits = Readonly<typeof DEFAULT_LIMITS>;
