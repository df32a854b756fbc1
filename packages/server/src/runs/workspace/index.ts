/**
 * The files of runs (`workspace.ts` is the port): mirrors, clones, snapshots, checkpoints, pushes.
 *
 * Invariants: the server runs git on its own mirrors only, with its own configuration (`git.ts`);
 * everything that touches files an agent can write runs inside the sandbox (`scripts.ts`); only the
 * bytes of a bounded pack come out, and are checked in quarantine (`quarantine.ts`) before the
 * mirror gets them; a mirror is never pruned and never removed while a clone lives.
 */
export { createWorkspaces, type WorkspacesOptions } from './create.ts';
export { enforceLifecycle } from './lifecycle.ts';
export { pinned, type RemoteEnv } from './remote.ts';
export type {
  Checkpoint,
  Workspace,
  Workspaces,
} from './workspace.ts';
