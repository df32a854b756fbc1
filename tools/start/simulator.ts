import type { ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import { endWithin, startNode, whenEnded } from './children.ts';
import { firstLine, listeningUrl } from './output.ts';

export interface RunningSimulator {
  readonly url: string;
  /** Its standard input: it ends when the last process that holds this has ended. */
  readonly lifeline: Writable;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<unknown>;
  /** Closes our end of its input; all other holders must have ended. */
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 5_000;

/** The simulated model as a process of its own on a free port of loopback. */
export async function startSimulator(
  settings: Readonly<Record<string, string>>,
): Promise<RunningSimulator> {
  const child: ChildProcess = startNode(['packages/simulator/src/main.ts'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...settings, SIMULATOR_PORT: process.env.SIMULATOR_PORT ?? '0' },
  });
  const ended = whenEnded(child);
  const lifeline = child.stdin!;
  const stop = async () => {
    lifeline.destroy();
    await endWithin(child, ended, { name: 'simulated model', timeoutMs: STOP_TIMEOUT_MS });
  };
  const url = await firstLine(child.stdout!, listeningUrl);
  if (url !== null) return { url, lifeline, ended, stop };
  await stop();
  throw new Error('The simulated model did not start; its message stands above.');
}
