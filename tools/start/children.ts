import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Ended {
  /** As a shell would report it: 128 + signal number for a signal. */
  readonly code: number;
}

const SIGNAL_BASE = 128;
const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/**
 * Starts a Node process in a process group of its own, so that Ctrl-C reaches only the launcher,
 * which then ends things in order.
 */
export function startNode(args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn(process.execPath, args, { cwd: ROOT, detached: true, ...options });
}

export function whenEnded(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      resolve({ code: code ?? SIGNAL_BASE + (SIGNALS[signal ?? ''] ?? 0) });
    });
  });
}

/** Waits for `ended`, and kills the process when that takes too long. */
export async function endWithin(
  child: ChildProcess,
  ended: Promise<Ended>,
  timeoutMs: number,
): Promise<Ended> {
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  try {
    return await ended;
  } finally {
    clearTimeout(timer);
  }
}
