import { setImmediate } from 'node:timers/promises';
import {
  type Component,
  endsWithin,
  HoldfastError,
  toHoldfastError,
  unlessAborted,
} from '../../kernel/index.ts';
import { LEASE_SELF_FENCE_MS } from '../../platform/leases/index.ts';
import type { Job } from '../../platform/queue/index.ts';
import { Attempt } from './attempt.ts';
import type { WorkerDeps } from './deps.ts';
import { PUSHES_MAX, SIGNALS_INTERVAL_MS, STOP_WAIT_MS } from './limits.ts';
import { pushRun } from './pusher.ts';

/**
 * The worker of agent runs: takes jobs, drives the runs they name, and looks at what it was told
 * about them once a second (a ring makes that sooner).
 *
 *   open ──drain──▶ takes no jobs; every attempt saves a checkpoint and is queued again ──▶ closed
 *                       └──deadline──▶ queued again as it was saved last ──stop──▶ closed
 *
 * A run that could not be given back by then, because the database is away, is left: whoever finds
 * its lease free goes on with it.
 *
 * A worker that could not renew its leases for `LEASE_SELF_FENCE_MS` stops its agents itself:
 * another worker may have their runs by then.
 */
export class RunWorker implements Component {
  readonly name = 'runs';
  readonly #deps: WorkerDeps;
  readonly #attempts = new Map<string, Attempt>();
  /** Runs that a job is at, from before its claim. */
  readonly #busy = new Set<string>();
  /** Runs whose lease this replica may have though it drives them no more, or never did. */
  readonly #unsure = new Set<string>();
  readonly #stopTaking: (() => Promise<void>)[] = [];
  #unsubscribe: (() => void) | undefined;
  readonly #timers: NodeJS.Timeout[] = [];
  #looking: Promise<void> | undefined;
  #again = false;
  #failing = false;
  #draining = false;
  #hurried = false;

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
  }

  get running(): number {
    return this.#attempts.size;
  }

  async start(): Promise<void> {
    const { doorbell, leases, queue, limits } = this.#deps;
    this.#unsubscribe = doorbell.onRing(subjects => {
      if (subjects.some(subject => this.#attempts.has(subject))) void this.#look();
    });
    this.#every(SIGNALS_INTERVAL_MS, async () => {
      // Not behind a look that waits for the database.
      if (leases.sinceHeartbeatMs() > LEASE_SELF_FENCE_MS) this.#stopAll('lost');
      await this.#look();
    });
    const { concurrency, wakeIntervalMs } = limits;
    this.#every(wakeIntervalMs, () => this.#wake());
    this.#stopTaking.push(
      await queue.work('agent', { concurrency }, job => this.#handle(job)),
      await queue.work('push', { concurrency: PUSHES_MAX }, job => this.#push(job)),
    );
    void this.#wake();
  }

  async drain(signal: AbortSignal): Promise<void> {
    const drained = this.#drain();
    await unlessAborted(signal, () => drained);
    this.#hurryAll();
    await endsWithin(drained, STOP_WAIT_MS);
  }

  /** Nothing of an agent runs afterwards. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#unsubscribe?.();
    const drained = this.#drain();
    this.#hurryAll();
    if (await endsWithin(drained, STOP_WAIT_MS)) return;
    this.#deps.telemetry.log.warn('runs.left', { runs: [...this.#attempts.keys()] });
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    const stopped = Promise.all(this.#stopTaking.map(stop => stop()));
    this.#stopAll('drain');
    await Promise.all([...this.#attempts.values()].map(attempt => attempt.done));
    await stopped;
  }

  #hurryAll(): void {
    this.#hurried = true;
    for (const attempt of this.#attempts.values()) attempt.hurry();
  }

  #stopAll(cause: 'drain' | 'lost'): void {
    for (const attempt of this.#attempts.values()) attempt.stop(cause);
  }

  #every(ms: number, act: () => Promise<void>): void {
    this.#timers.push(setInterval(() => void act(), ms).unref());
  }

  /** Resolves when the run needs this worker no more. */
  async #handle(job: Job): Promise<void> {
    const runId = job.data.run_id;
    if (runId === undefined || this.#busy.has(runId)) return;
    // Fetched in the last moment: it comes again elsewhere.
    if (this.#draining) throw new HoldfastError('unavailable', 'This worker takes no more runs.');
    this.#busy.add(runId);
    try {
      await this.#drive(runId);
    } catch (error) {
      this.#unsure.add(runId);
      throw error;
    } finally {
      this.#busy.delete(runId);
    }
  }

  async #drive(runId: string): Promise<void> {
    const { driver, limits } = this.#deps;
    const claimed = await driver.claim(runId, limits);
    if (claimed.kind !== 'claimed') return;
    // Who watches the run hears of it before the work on it begins.
    await setImmediate();
    const attempt = new Attempt(this.#deps, claimed.run);
    this.#attempts.set(runId, attempt);
    if (this.#draining) attempt.stop('drain');
    if (this.#hurried) attempt.hurry();
    // Rings before this moment were for a run that was not known here.
    void this.#look();
    await attempt.done;
    this.#attempts.delete(runId);
    this.#unsure.add(runId);
  }

  /** A push that a drain interrupts comes again elsewhere. */
  async #push(job: Job): Promise<void> {
    const runId = job.data.push_run_id;
    if (runId !== undefined) await pushRun(this.#deps, runId, job);
  }

  /** Looks at the signals of its runs; calls during a look make it look once more. */
  #look(): Promise<void> {
    this.#again = this.#looking !== undefined;
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = undefined;
      if (this.#again) void this.#look();
    });
    return this.#looking;
  }

  async #lookNow(): Promise<void> {
    if (this.#attempts.size === 0) return;
    const { driver, telemetry } = this.#deps;
    try {
      const held = [...this.#attempts.values()].map(({ run, lastMessage }) => ({
        id: run.id,
        attempt: run.attempt,
        taskId: run.task_id,
        afterMessage: lastMessage,
      }));
      for (const signals of await driver.signals(held)) {
        this.#attempts.get(signals.runId)?.follow(signals);
      }
      this.#failing = false;
    } catch (error) {
      // Once per outage: agents go on meanwhile.
      if (!this.#failing) telemetry.log.warn('runs.poll_failed', { error });
      this.#failing = true;
    }
  }

  async #wake(): Promise<void> {
    try {
      await this.#abandonUnknown();
      const woken = await this.#deps.driver.wakeLost();
      if (woken > 0) this.#deps.telemetry.log.info('runs.woken', { count: woken });
    } catch (error) {
      const { code } = toHoldfastError(error);
      this.#deps.telemetry.log.debug('runs.wake_failed', { code });
    }
  }

  /** Of a run that a job has come for meanwhile, that job's claim says what there is. */
  async #abandonUnknown(): Promise<void> {
    const runIds = [...this.#unsure].filter(runId => !this.#busy.has(runId));
    if (runIds.length === 0) return;
    const isBusy = (runId: string) => this.#busy.has(runId);
    const count = await this.#deps.driver.abandonUnknown(runIds, isBusy);
    for (const runId of runIds) this.#unsure.delete(runId);
    if (count > 0) this.#deps.telemetry.log.warn('runs.unknown_abandoned', { count });
  }
}
