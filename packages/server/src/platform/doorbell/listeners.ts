import type { Logger } from '../telemetry/index.ts';

type RingListener = (subjects: readonly string[]) => void;

/**
 * A doorbell's listeners in this process. One that throws is logged and does not stop the others.
 */
export class Listeners {
  readonly #listeners = new Set<RingListener>();
  readonly #log: Logger | undefined;

  constructor(log?: Logger) {
    this.#log = log;
  }

  /** The same function added twice is called twice; each unsubscribe ends its own. */
  add(listener: RingListener): () => void {
    const entry: RingListener = subjects => listener(subjects);
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  notify(subjects: readonly string[]): void {
    if (subjects.length === 0) return;
    for (const listener of this.#listeners) {
      try {
        listener(subjects);
      } catch (error) {
        this.#log?.error('doorbell.listener_failed', { error });
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
