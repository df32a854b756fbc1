import type { Logger } from '../../platform/telemetry/index.ts';
import type { ModelGateway } from './gateway.ts';

export type CallListener = Parameters<ModelGateway['watch']>[1];

/** The listeners of one call: those that watched its run when it began, and still do. */
export interface Audience {
  readonly isEmpty: boolean;
  /** Calls each listener; one that throws is logged and does not keep the call from the others. */
  notify(call: (listener: CallListener) => void): void;
}

/** The listeners of runs' calls in this process. */
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

  /**
   * For a call that begins now. Listeners of a later attempt of the run are left out: the total
   * that attempt begins with contains this call already.
   */
  audience(runId: string | null): Audience {
    const watching = runId === null ? undefined : this.#byRun.get(runId);
    const now = [...(watching ?? [])];
    const still = () => now.filter(listener => watching!.has(listener));
    return {
      get isEmpty() {
        return still().length === 0;
      },
      notify: call => {
        for (const listener of still()) {
          try {
            call(listener);
          } catch (err) {
            this.#log.error('model.listener_failed', { run_id: runId, err });
          }
        }
      },
    };
  }
}
