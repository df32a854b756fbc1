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

/** A process that could not be started has ended with code 1; the reason is printed. */
export function whenEnded(child: ChildProcess): Promise<Ended> {
  return new Promise(resolve => {
    child.on('error', error => {
      console.error(error.message);
      // Other errors are those of a signal that could not be sent.
      if (child.pid === undefined) resolve({ code: 1 });
    });
    child.once('exit', (code, signal) => {
      resolve({ code: code ?? SIGNAL_BASE + (SIGNALS[signal ?? ''] ?? 0) });
    });
  });
}

/** Waits for `ended`; kills the process when that takes too long, and prints so. */
export async function endWithin(
  child: ChildProcess,
  ended: Promise<Ended>,
  { name, timeoutMs }: { readonly name: string; readonly timeoutMs: number },
): Promise<Ended> {
  const timer = setTimeout(() => {
    console.error(`The ${name} did not end within ${timeoutMs / 1_000} s; killing it.`);
    child.kill('SIGKILL');
  }, timeoutMs);
  try {
    return await ended;
  } finally {
    clearTimeout(timer);
  }
}
