import type { NewEvent } from '../../platform/log/index.ts';
import type { WorkerLimits } from './deps.ts';

/** What of a run is in its log. */
export interface LogUse {
  readonly events: number;
  readonly sizeBytes: number;
}

/** Counts what an agent logs, over all attempts of its run. */
export class LogQuota {
  readonly #limits: Pick<WorkerLimits, 'logMaxEvents' | 'logMaxBytes'>;
  #events: number;
  #sizeBytes: number;

  constructor(limits: Pick<WorkerLimits, 'logMaxEvents' | 'logMaxBytes'>, before: LogUse) {
    this.#limits = limits;
    this.#events = before.events;
    this.#sizeBytes = before.sizeBytes;
  }

  /** Whether the log has room for this event, which counts then. */
  admits({ data, private: secret }: NewEvent): boolean {
    this.#events += 1;
    this.#sizeBytes += Buffer.byteLength(JSON.stringify([data, secret]));
    const { logMaxEvents, logMaxBytes } = this.#limits;
    return this.#events <= logMaxEvents && this.#sizeBytes <= logMaxBytes;
  }
}
