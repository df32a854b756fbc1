import type { Readable, Writable } from 'node:stream';

/**
 * Where an agent's processes run. What it may see and write is fixed here and nowhere else:
 *
 * - writable: `WORKSPACE_DIR` (the clone), `HOME_DIR` (the run's own, kept and checkpointed beside
 *   the workspace) and a size-limited `/tmp`; nothing else;
 * - readable: named system paths, the server's Node, and the paths in `readOnly`;
 * - network: none but loopback of its own, where `GATEWAY_PORT` leads to the model gateway's Unix
 *   socket and `PROXY_PORT` to the egress proxy's, if there is one;
 * - environment: exactly the given variables.
 *
 * Where the start-up probe failed there is no isolation: paths are the host's, and `isolated` is
 * false. The paths above then hold as well, by environment and working directory only.
 */
export const WORKSPACE_DIR = '/workspace';
export const HOME_DIR = '/home/agent';
export const GATEWAY_PORT = 8787;
export const PROXY_PORT = 3128;

export interface SandboxMounts {
  /** The run's clone and home on the host. */
  readonly workspace: string;
  readonly home: string;
  /** Further host paths that are readable inside at the same path, such as an installed agent. */
  readonly readOnly: readonly string[];
  /** The model gateway's Unix socket on the host; null: no model. */
  readonly gatewaySocket: string | null;
  readonly proxySocket: string | null;
}

export interface SandboxCommand {
  /** Program and arguments as seen inside; the server's `process.execPath` works there as well. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: SandboxMounts;
}

export interface SandboxOwner {
  readonly uid: number;
  readonly gid: number;
}

/** A process group of its own; dies with its parent where the sandbox isolates. */
export interface SandboxedProcess {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Whether the kernel ended a process inside because all took more memory than they may. */
  readonly ranOutOfMemory: boolean;
  /** Memory of everything inside; undefined: what its processes on this machine have. */
  memoryBytes?(): number;
  /** Signals the whole group; a group that is gone is no error. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended and its output is closed. Never rejects. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export interface Sandbox {
  readonly isolated: boolean;
  /** For operators, where `isolated` is false: what that means and what to install. */
  readonly note: string | null;
  /**
   * The owner of files that a run's processes write. Set where the server is root: processes run
   * as the owner of the workspace, so the run's folders and sockets must belong to it. Otherwise
   * they run as the server's user.
   */
  ownerOf(runId: string): SandboxOwner | undefined;
  /** Paths as the agent sees them: `WORKSPACE_DIR` and so on, or host paths. */
  paths(mounts: SandboxMounts): { workspace: string; home: string; gatewayUrl: string | null };
  spawn(command: SandboxCommand): SandboxedProcess;
  /** Closes what the sandbox keeps open; the caller ends running processes. */
  close(): Promise<void>;
}
