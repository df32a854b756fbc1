import { url as inspectorUrl } from 'node:inspector';
import { Worker } from 'node:worker_threads';
import type { Telemetry } from '../telemetry/index.ts';

/**
 * Stands in for the heartbeat while the main loop is busy: a thread with a connection of its own
 * renews the replica's row. It trusts the main loop for so long; then it stops, and ends the
 * process with exit code 1, because a loop that never answers does no work, and others can. Code
 * that cannot be interrupted is killed, but not where the process is number 1 of its container: the
 * kernel takes no signal to it from inside. Its leases run out all the same.
 */
export const LOOP_STUCK_MS = 30_000;
/** How often the main loop shows that it turns, and the thread looks. */
export const LOOP_TICK_MS = 1_000;

/** Indices of what both threads share. */
export const TURNS = 0;
export const BEAT_AT_NS = 1;
/** 1 while the main thread's inspector is open: then a debugger may have stopped it. */
export const INSPECTED = 2;
const SHARED_COUNT = 3;

export interface LoopGuardOptions {
  /** Of the database; a secret. */
  readonly url: string;
  readonly replica: string;
  readonly stuckMs: number;
  readonly log?: Pick<Telemetry['log'], 'error'> | undefined;
}

/** What the thread is given. */
export interface LoopGuardData extends Pick<LoopGuardOptions, 'url' | 'replica' | 'stuckMs'> {
  readonly shared: BigInt64Array;
}

export class LoopGuard {
  readonly #options: LoopGuardOptions;
  readonly #shared = new BigInt64Array(
    new SharedArrayBuffer(SHARED_COUNT * BigInt64Array.BYTES_PER_ELEMENT),
  );
  #timer: NodeJS.Timeout | undefined;
  #thread: Worker | undefined;

  constructor(options: LoopGuardOptions) {
    this.#options = options;
  }

  start(): void {
    const { url, replica, stuckMs, log } = this.#options;
    const workerData: LoopGuardData = { url, replica, stuckMs, shared: this.#shared };
    this.#timer = setInterval(() => this.#turn(), LOOP_TICK_MS).unref();
    this.#thread = new Worker(new URL('./loop-guard-thread.ts', import.meta.url), {
      workerData,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxOldGenerationSizeMb: 64 },
    });
    this.#thread.on('error', error => log?.error('lease.loop_guard_failed', { error }));
    this.#thread.unref();
  }

  #turn(): void {
    Atomics.store(this.#shared, INSPECTED, inspectorUrl() === undefined ? 0n : 1n);
    Atomics.add(this.#shared, TURNS, 1n);
  }

  /** Since the thread last renewed the row; Infinity where it never had to. */
  sinceMs(): number {
    const beatAtNs = Atomics.load(this.#shared, BEAT_AT_NS);
    if (beatAtNs === 0n) return Number.POSITIVE_INFINITY;
    return Number(process.hrtime.bigint() - beatAtNs) / 1e6;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#thread?.terminate();
  }
}
