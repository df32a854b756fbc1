import { setTimeout as delay } from 'node:timers/promises';
import { type Given, type ServerProcess, startServer } from './server.ts';

const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 30_000;
/** A worker that ran for this long is started again after the shortest pause. */
const STEADY_MS = 60_000;

export interface RunningWorker {
  /** As that of a server process; from the first call on, it is not started again. */
  interrupt(): void;
  /** Resolves when it has ended after an interrupt. */
  readonly ended: Promise<void>;
}

/** The worker, started again after a growing pause whenever it ends by itself. */
export function startWorker(given: Given): RunningWorker {
  const stopping = new AbortController();
  const { signal } = stopping;
  let current: ServerProcess | undefined;
  const run = async (): Promise<number> => {
    try {
      current = startServer(given);
    } catch (error) {
      console.error((error as Error).message);
      return 1;
    }
    return (await current.ended).code;
  };
  const keepRunning = async () => {
    for (let pauseMs = PAUSE_MIN_MS; ; pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2)) {
      const startedMs = performance.now();
      const code = await run();
      if (signal.aborted) return;
      if (performance.now() - startedMs > STEADY_MS) pauseMs = PAUSE_MIN_MS;
      const again = `starting it again in ${pauseMs / 1_000} s`;
      console.error(`The worker ended with code ${code}; ${again}. Sessions and the API go on.`);
      await delay(pauseMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
    }
  };
  const ended = keepRunning();
  return {
    ended,
    interrupt() {
      stopping.abort();
      current?.interrupt();
    },
  };
}
