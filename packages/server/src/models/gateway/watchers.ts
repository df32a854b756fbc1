import type { Logger } from '../../platform/telemetry/index.ts';
import type { ModelGateway } from './gateway.ts';

export type CallListener = Parameters<ModelGateway['watch']>[1];

/** Who wants to hear of a run's calls, in this process. */
export class Watchers {
  readonly #byRun = new Map<string, Set<CallListener>>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  add(runId: string, listener: CallListener): () => void {
    const listeners = this.#byRun.get(runId) ?? new Set();
    this.#byRun.set(runId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#byRun.get(runId) === listeners) this.#byRun.delete(runId);
    };
  }

  has(runId: string): boolean {
    return this.#byRun.has(runId);
  }

  /** One listener's failure is its own. */
  tell(runId: string, say: (listener: CallListener) => void): void {
    for (const listener of [...(this.#byRun.get(runId) ?? [])]) {
      try {
        say(listener);
      } catch (err) {
        this.#log.error('model.listener_failed', { run_id: runId, err });
      }
    }
  }
}
