import { execFile } from 'node:child_process';
import type { WorkerLimits } from './deps.ts';

/** One measurement. A run with so many files that it takes longer is measured again later. */
const LOOK_TIMEOUT_MS = 60_000;
/** The pause after a measurement, in multiples of its duration. */
const PAUSE_FACTOR = 10;

/**
 * Measures at intervals how much disk a run's folders take, and calls `onOver` once when that is
 * too much. It is a bound, not a quota: an agent can write more between two measurements, and `du`
 * misses unreadable folders and files without a name.
 */
export class DiskWatch {
  readonly #folders: readonly string[];
  readonly #limits: WorkerLimits;
  readonly #onOver: () => void;
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(folders: readonly string[], limits: WorkerLimits, onOver: () => void) {
    this.#folders = folders;
    this.#limits = limits;
    this.#onOver = onOver;
    this.#next(limits.diskIntervalMs);
  }

  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#timer);
  }

  #next(pauseMs: number): void {
    if (this.#stopped.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#look(), pauseMs);
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const startedMs = performance.now();
    const sizeBytes = await diskUsage(this.#folders, this.#stopped.signal);
    if (this.#stopped.signal.aborted) return;
    if (sizeBytes > this.#limits.diskMaxBytes) {
      this.stop();
      this.#onOver();
      return;
    }
    const tookMs = performance.now() - startedMs;
    this.#next(Math.max(this.#limits.diskIntervalMs, PAUSE_FACTOR * tookMs));
  }
}

/**
 * Bytes on disk below the folders, links not followed. By `du`, which is many times faster than
 * Node for hundreds of thousands of files; 0 where it does not finish in time.
 */
export async function diskUsage(folders: readonly string[], signal: AbortSignal): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const options = { env: { LC_ALL: 'C' }, timeout: LOOK_TIMEOUT_MS, signal };
  // A file that vanishes meanwhile makes `du` fail; it prints its sum all the same.
  execFile('/usr/bin/du', ['-skx', '--', ...folders], options, (_, output) => resolve(output));
  const kib = (await promise).match(/^\d+(?=\t)/gm) ?? [];
  return kib.reduce((sum, text) => sum + Number(text), 0) * 1024;
}
