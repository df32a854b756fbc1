const MIB = 1024 ** 2;

/** Bounds of repositories and workspaces; tests and settings may change each of them. */
export const DEFAULT_LIMITS = {
  /** A mirror with everything of its remote. A fetch that grows beyond it is stopped. */
  repositoryMaxBytes: 2048 * MIB,
  /** What one snapshot may add. */
  snapshotPackMaxBytes: 256 * MIB,
  /** A checkpoint's objects since the base. */
  checkpointPackMaxBytes: 1024 * MIB,
  /** A run's home in a checkpoint, before compression. */
  homeMaxBytes: 512 * MIB,
  patchMaxBytes: 32 * MIB,
  /** Changed files that are listed; totals count all. */
  filesMax: 3_000,
  /** Mirrors and workspaces together; least recently used mirrors go first. */
  diskMaxBytes: 20 * 1024 * MIB,
  fetchTimeoutMs: 10 * 60_000,
  /** One git command on a mirror. */
  gitTimeoutMs: 60_000,
  /** One script inside the sandbox: checkout, snapshot, packing the home. */
  scriptTimeoutMs: 5 * 60_000,
};

export type WorkspaceLimits = Readonly<typeof DEFAULT_LIMITS>;
