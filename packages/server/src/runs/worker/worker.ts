import { setImmediate } from 'node:timers/promises';
import type { Component } from '../../kernel/index.ts';
import { Worker } from '../../work/index.ts';
import { RUN_KIND } from '../run.ts';
import { Attempt } from './attempt.ts';
import type { WorkerDeps } from './deps.ts';
import { pushRun } from './pusher.ts';

/** Pushes at once in one process. */
const PUSHES_MAX = 2;

/**
 * The worker of agent runs: the shared loop (`work/worker.ts`) with the claim and the signals of
 * runs. Every attempt that a drain stops saves a checkpoint and queues its run again. It also takes
 * pushes; a push that a drain interrupts comes again elsewhere. `attempt.ts` is one attempt of one
 * run.
 *
 * Invariants: at most one attempt writes to a run, though others may still work on it; what an
 * agent made is kept however the run ends; nothing of an attempt (process, clone, socket, token) is
 * left when it is over.
 */
export class RunWorker implements Component {
  readonly name = 'runs';
  readonly #deps: WorkerDeps;
  readonly #loop: Worker<Attempt>;

  constructor(deps: WorkerDeps) {
    const { driver, limits } = deps;
    this.#deps = deps;
    this.#loop = new Worker<Attempt>({
      ports: deps,
      kind: RUN_KIND,
      name: this.name,
      concurrency: limits.concurrency,
      wakeIntervalMs: limits.wakeIntervalMs,
      async claim(runId) {
        const claimed = await driver.claim(runId, limits);
        if (claimed.kind !== 'claimed') return undefined;
        // Readers of the run's log get the claim before the work on it begins.
        await setImmediate();
        return new Attempt(deps, claimed.run);
      },
      async look(attempts) {
        const held = [...attempts.values()].map(({ run, lastMessage }) => ({
          id: run.id,
          attempt: run.attempt,
          taskId: run.task_id,
          afterMessage: lastMessage,
        }));
        for (const signals of await driver.signals(held)) {
          attempts.get(signals.runId)?.follow(signals);
        }
      },
      wakeLost: () => driver.wakeLost(),
    });
  }

  get running(): number {
    return this.#loop.running;
  }

  async start(): Promise<void> {
    await this.#loop.start();
    await this.#loop.take('push', PUSHES_MAX, async job => {
      const runId = job.data.push_run_id;
      if (runId !== undefined) await pushRun(this.#deps, runId, job);
    });
  }

  drain(signal: AbortSignal): Promise<void> {
    return this.#loop.drain(signal);
  }

  /** No process of an agent runs afterwards. */
  stop(): Promise<void> {
    return this.#loop.stop();
  }
}
