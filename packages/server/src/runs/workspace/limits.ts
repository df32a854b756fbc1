/** Bounds of repositories and workspaces; every one can be changed for tests and by settings. */
export interface WorkspaceLimits {
  /** A mirror with everything of its remote. A fetch that grows beyond it is stopped. */
  readonly repositoryMaxBytes: number;
  /** What one snapshot may add. */
  readonly snapshotPackMaxBytes: number;
  /** A checkpoint's objects since the base. */
  readonly checkpointPackMaxBytes: number;
  /** A run's home in a checkpoint, before compression. */
  readonly homeMaxBytes: number;
  readonly patchMaxBytes: number;
  /** Changed files that are listed; totals count all. */
  readonly filesMax: number;
  /** Mirrors and workspaces together; least recently used mirrors go first. */
  readonly diskMaxBytes: number;
  readonly fetchTimeoutMs: number;
  /** One git command on a mirror. */
  readonly gitTimeoutMs: number;
  /** One script inside the sandbox: checkout, snapshot, packing the home. */
  readonly scriptTimeoutMs: number;
}

const MIB = 1024 ** 2;
export const REPOSITORY_MAX_BYTES = 2048 * MIB;
export const SNAPSHOT_PACK_MAX_BYTES = 256 * MIB;
export const CHECKPOINT_PACK_MAX_BYTES = 1024 * MIB;
export const HOME_MAX_BYTES = 512 * MIB;
export const PATCH_MAX_BYTES = 32 * MIB;
export const FILES_MAX = 3_000;
export const DISK_MAX_BYTES = 20 * 1024 * MIB;

export const DEFAULT_LIMITS: WorkspaceLimits = {
  repositoryMaxBytes: REPOSITORY_MAX_BYTES,
  snapshotPackMaxBytes: SNAPSHOT_PACK_MAX_BYTES,
  checkpointPackMaxBytes: CHECKPOINT_PACK_MAX_BYTES,
  homeMaxBytes: HOME_MAX_BYTES,
  patchMaxBytes: PATCH_MAX_BYTES,
  filesMax: FILES_MAX,
  diskMaxBytes: DISK_MAX_BYTES,
  fetchTimeoutMs: 10 * 60_000,
  gitTimeoutMs: 60_000,
  scriptTimeoutMs: 5 * 60_000,
};
