import type { ChildProcess } from 'node:child_process';
import { endWithin, startNode, whenEnded } from './children.ts';
import { firstLine, listeningUrl } from './output.ts';

export interface RunningSimulator {
  readonly url: string;
  /** Resolves when the process has ended, for whatever reason. */
  readonly ended: Promise<unknown>;
  /** Closes its standard input, which tells it to end. */
  stop(): Promise<void>;
}

const STOP_TIMEOUT_MS = 5_000;

/** The simulated model as a process of its own on a free port of loopback. */
export async function startSimulator(): Promise<RunningSimulator> {
  const child: ChildProcess = startNode(['packages/simulator/src/main.ts'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, SIMULATOR_PORT: process.env.SIMULATOR_PORT ?? '0' },
  });
  const ended = whenEnded(child);
  const stop = async () => {
    child.stdin?.destroy();
    await endWithin(child, ended, STOP_TIMEOUT_MS);
  };
  const url = await firstLine(child.stdout!, listeningUrl);
  if (url !== null) return { url, ended, stop };
  await stop();
  throw new Error('The simulated model did not start; its message stands above.');
}
