import type { Logger } from '../../platform/telemetry/index.ts';
import type { ModelGateway } from './gateway.ts';

export type CallListener = Parameters<ModelGateway['watch']>[1];

/** Those who hear of one call: who watched its run when it began, and still does. */
export interface Audience {
  readonly isEmpty: boolean;
  /** One listener's failure is its own. */
  tell(say: (listener: CallListener) => void): void;
}

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

  /**
   * For a call that begins now. A later attempt of the run does not hear of it: what it began with
   * contains that call already.
   */
  audience(runId: string | null): Audience {
    const watching = runId === null ? undefined : this.#byRun.get(runId);
    const now = [...(watching ?? [])];
    const still = () => now.filter(listener => watching!.has(listener));
    return {
      get isEmpty() {
        return still().length === 0;
      },
      tell: say => {
        for (const listener of still()) this.#tellOne(runId, listener, say);
      },
    };
  }

  #tellOne(runId: string | null, listener: CallListener, say: (to: CallListener) => void): void {
    try {
      say(listener);
    } catch (err) {
      this.#log.error('model.listener_failed', { run_id: runId, err });
    }
  }
}
