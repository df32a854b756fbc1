import type { Readable } from 'node:stream';
import type { ChangedFile } from '@holdfast/protocol';
import type { Sandbox, SandboxMounts } from '../sandbox/sandbox.ts';

/**
 * Where the files of a run are: one bare mirror per repository per worker, and for each run a clone
 * of its own with the mirror's objects read-only behind it.
 *
 * The server never runs git on configuration an agent could write and never opens or fetches from
 * an agent's `.git`. What an agent made comes out by `snapshot`: git *inside the sandbox* writes a
 * pack to its output, and only those bytes are read here, in quarantine. Not even a file of the
 * agent's is opened, which could be a link or change while it is read.
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
}

export interface Snapshot {
  /** A commit of ours on top of the base that holds the agent's commits, index and files. */
  readonly commit: string;
  /** False when nothing differs from the snapshot before. */
  readonly changed: boolean;
}

export interface DiffSummary {
  readonly files: readonly ChangedFile[];
  readonly insertions: number;
  readonly deletions: number;
}

/** What a checkpoint needs to be restored on another worker; stored as the manifest's JSON. */
export interface CheckpointManifest {
  readonly number: number;
  readonly commit: string;
  readonly baseCommit: string;
  readonly packKey: string | null;
  readonly homeKey: string;
  readonly sizeBytes: number;
  /** Where this manifest itself is; written last, so its presence says that the rest is there. */
  readonly manifestKey?: string;
  /** The commit the agent was on; absent: `commit`. */
  readonly headCommit?: string;
  /** What the index held; absent: what `commit` holds. */
  readonly indexTree?: string;
}

/** An archive on this machine. */
export interface KeptHome {
  readonly file: string;
  drop(): Promise<void>;
}

export interface Workspace {
  readonly runId: string;
  readonly dir: string;
  readonly homeDir: string;
  readonly baseCommit: string;
  /** `holdfast/<run id>`; unique to the run, in the mirror and on the remote. */
  readonly branch: string;
  /** Host paths the sandbox must show read-only for git to work inside: the mirror's objects. */
  readonly readOnlyPaths: readonly string[];
  /** Takes what there is into the mirror as `refs/holdfast/runs/<run id>`. */
  snapshot(sandbox: Sandbox, mounts: SandboxMounts): Promise<Snapshot>;
  diff(commit: string): Promise<DiffSummary>;
  /** `git diff --binary` of base and `commit`, bounded by `PATCH_MAX_BYTES`. */
  patch(commit: string): Promise<Readable>;
  /**
   * The run's home as it is now, beside the clone. Keep it before the snapshot it belongs to: an
   * agent's session must not know of work that the snapshot lacks. The caller drops it.
   */
  keepHome(): Promise<KeptHome>;
  /** Objects since the base and the home, in blobs; the manifest is written last. */
  saveCheckpoint(number: number, snapshot: Snapshot, home: KeptHome): Promise<CheckpointManifest>;
  /** Removes clone and home; what was snapshotted stays in the mirror. Never rejects. */
  remove(): Promise<void>;
}

export interface Workspaces {
  prepare(request: WorkspaceRequest): Promise<Workspace>;
  /** Clone and home as a checkpoint left them. Throws `gone` when its blobs are missing. */
  restore(request: WorkspaceRequest, manifest: CheckpointManifest): Promise<Workspace>;
  /** The manifest at `key`. Throws `gone` when it is missing or is none. */
  readManifest(key: string): Promise<CheckpointManifest>;
  /**
   * Gets the commits of a checkpoint into the mirror, for a follow-up or a push on a worker that
   * does not have them. Throws `gone` when its blobs are missing.
   */
  adopt(source: RepositorySource, manifest: CheckpointManifest): Promise<void>;
  /**
   * Reaches a repository before it is stored; answers its default branch, as given or as the remote
   * says. Throws `unprocessable` where it cannot be read or has no such branch, `unavailable` where
   * it does not answer in time.
   */
  inspect(source: RepositorySource): Promise<{ defaultBranch: string }>;
  /**
   * Pushes `commit` as `branch` with `--force-with-lease` against what the remote has. Answers
   * `already_there` when the remote's branch is that commit.
   */
  push(
    source: RepositorySource,
    branch: string,
    commit: string,
  ): Promise<{ outcome: 'pushed' | 'already_there' }>;
  /** Removes workspaces of runs that `isLive` does not know, and mirrors over the disk bound. */
  tidy(isLive: (runId: string) => Promise<boolean>): Promise<void>;
}
