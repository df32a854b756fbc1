import { execFile } from 'node:child_process';
import type { WorkerLimits } from './deps.ts';

/** One measurement. A run with so many files that it takes longer is measured again later. */
const LOOK_TIMEOUT_MS = 60_000;
/** The pause after a measurement, in multiples of its duration. */
const PAUSE_FACTOR = 10;

/** What a run has too much of. */
export type DiskExcess = 'disk_limit' | 'file_limit';

/**
 * Measures at intervals how much disk a run's folders take and how many files are there, and calls
 * `onOver` once when either is too much. It is a bound, not a quota: an agent can write more
 * between two measurements, and `du` misses unreadable folders and files without a name.
 */
export class DiskWatch {
  readonly #folders: readonly string[];
  readonly #limits: WorkerLimits;
  readonly #onOver: (excess: DiskExcess) => void;
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    folders: readonly string[],
    limits: WorkerLimits,
    onOver: (excess: DiskExcess) => void,
  ) {
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
    const { sizeBytes, files } = await diskUsage(this.#folders, this.#stopped.signal);
    if (this.#stopped.signal.aborted) return;
    const { diskMaxBytes, filesMax } = this.#limits;
    if (sizeBytes > diskMaxBytes || files > filesMax) {
      this.stop();
      this.#onOver(sizeBytes > diskMaxBytes ? 'disk_limit' : 'file_limit');
      return;
    }
    const tookMs = performance.now() - startedMs;
    this.#next(Math.max(this.#limits.diskIntervalMs, PAUSE_FACTOR * tookMs));
  }
}

interface DiskUsage {
  readonly sizeBytes: number;
  /** Files, folders, links: whatever has an inode. */
  readonly files: number;
}

/**
 * What is on disk below the folders, links not followed. By `du`, which is many times faster than
 * Node for hundreds of thousands of files; 0 where it does not finish in time.
 */
export async function diskUsage(
  folders: readonly string[],
  signal: AbortSignal,
): Promise<DiskUsage> {
  const kib = await du('--block-size=1K', folders, signal);
  // The second time over the same folders is fast: the kernel has them in memory.
  return { sizeBytes: kib * 1024, files: await du('--inodes', folders, signal) };
}

async function du(unit: string, folders: readonly string[], signal: AbortSignal): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const options = { env: { LC_ALL: 'C' }, timeout: LOOK_TIMEOUT_MS, signal };
  // A file that vanishes meanwhile makes `du` fail; it prints its sum all the same.
  const args = [unit, '--summarize', '--one-file-system', '--', ...folders];
  execFile('/usr/bin/du', args, options, (_, output) => resolve(output));
  const sums = (await promise).match(/^\d+(?=\t)/gm) ?? [];
  return sums.reduce((sum, text) => sum + Number(text), 0);
}
