import { setTimeout as delay } from 'node:timers/promises';
import { type Ended, endWithin, startNode, whenEnded } from './children.ts';
import { firstLine, listeningPort } from './output.ts';
import type { Plan } from './plan.ts';

export interface RunningServer {
  readonly ended: Promise<Ended>;
  /** The address once `/readyz` answers 200; null when the server ended before. */
  readonly ready: Promise<string | null>;
  /** The first call asks it to finish, the second to hurry, the third leaves it no choice. */
  interrupt(): void;
}

const POLL_INTERVAL_MS = 50;
const HURRY_TIMEOUT_MS = 10_000;

/** The server with the settings added; its log goes through to our standard output. */
export function startServer(
  origin: Plan['origin'],
  added: Readonly<Record<string, string>>,
): RunningServer {
  const child = startNode(['packages/server/src/main.ts'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...added },
  });
  child.stdout!.pipe(process.stdout, { end: false });
  const ended = whenEnded(child);
  const listening = firstLine(child.stdout!, listeningPort);
  let interrupts = 0;
  return {
    ended,
    ready: listening.then(port => (port === null ? null : whenReady(origin(port), ended))),
    interrupt() {
      interrupts += 1;
      child.kill(interrupts > 2 ? 'SIGKILL' : 'SIGTERM');
      if (interrupts === 2) void endWithin(child, ended, HURRY_TIMEOUT_MS);
    },
  };
}

async function whenReady(url: string, ended: Promise<Ended>): Promise<string | null> {
  let over = false;
  const stop = () => {
    over = true;
  };
  ended.then(stop, stop);
  while (!over) {
    if (await isReady(url)) return url;
    await delay(POLL_INTERVAL_MS);
  }
  return null;
}

async function isReady(url: string): Promise<boolean> {
  // Its certificate may be one that only the operator trusts, and it listens last of all parts.
  if (url.startsWith('https:')) return true;
  try {
    const answer = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(2_000) });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}
