import { setTimeout as delay } from 'node:timers/promises';
import { type Ended, endWithin, startNode, whenEnded } from './children.ts';
import { firstLine, listeningPort } from './output.ts';
import type { Plan } from './plan.ts';

/** What every process of the server gets from the launcher. */
export interface Given {
  /** What it is called in messages. */
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  /** Descriptors that it holds as long as it lives. */
  readonly held: readonly (number | NodeJS.WritableStream)[];
  /** The time that its drain may take. */
  readonly drainMs: number;
}

export interface ServerProcess {
  readonly ended: Promise<Ended>;
  /** The port in its log once it listens; null when it ended before, or listens on none. */
  readonly listening: Promise<number | null>;
  /** The first call sends it a request to finish, the second to hurry, the third kills it. */
  interrupt(): void;
}

const POLL_INTERVAL_MS = 50;
const HURRY_TIMEOUT_MS = 10_000;
/** The time that a server may take to stop and to close, after its drain, before it is killed. */
const STOP_SPARE_MS = 60_000;

/**
 * A server process; its log goes through to our standard output. It drains when its standard input
 * ends, so that it does so whatever ends the launcher.
 */
export function startServer({ name, settings, held, drainMs }: Given): ServerProcess {
  const child = startNode(['packages/server/src/main.ts'], {
    stdio: ['pipe', 'pipe', 'inherit', ...(held as (number | (NodeJS.WritableStream & never))[])],
    env: { ...process.env, ...settings, HOLDFAST_LAUNCHER_STDIN: 'true' },
  });
  const ended = whenEnded(child);
  // Both streams are missing where the process could not be started.
  const { stdin, stdout } = child;
  stdout?.pipe(process.stdout, { end: false });
  // Without this listener a server that ends while we write would end the launcher.
  stdin?.on('error', () => {});
  let interrupts = 0;
  return {
    ended,
    listening: stdout ? firstLine(stdout, listeningPort) : Promise.resolve(null),
    interrupt() {
      interrupts += 1;
      child.kill(interrupts > 2 ? 'SIGKILL' : 'SIGTERM');
      const timeoutMs = interrupts === 1 ? drainMs + STOP_SPARE_MS : HURRY_TIMEOUT_MS;
      if (interrupts <= 2) void endWithin(child, ended, { name, timeoutMs });
    },
  };
}

/** The address once `/readyz` answers 200; null when the server ended before. */
export async function whenReady(
  server: ServerProcess,
  origin: Plan['origin'],
): Promise<string | null> {
  const port = await server.listening;
  if (port === null) return null;
  const url = origin(port);
  let over = false;
  const stop = () => {
    over = true;
  };
  server.ended.then(stop, stop);
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
