import { allOf, type Clock, ExpiringCache, HoldfastError, systemClock } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import * as store from './store.ts';

/** Runs of one owner that wait in one project; what is beyond is refused, not queued. */
export const QUEUED_RUNS_MAX = 1_000;
/** A run that waits may take long to begin. */
const QUEUED_RETRY_S = 30;
/** How long a count that found room is relied upon. */
const RELIED_ON_MS = 1_000;
/** For so large a share of the places. */
const RELIED_ON_SHARE = 0.1;
const OWNERS_KEPT = 10_000;

export interface AdmissionQuery {
  readonly projectId: string;
  readonly owner: string;
  readonly count: number;
}

export interface AdmissionOptions {
  /** Default `QUEUED_RUNS_MAX`. */
  readonly queuedMax?: number | undefined;
  readonly clock?: Clock;
}

/**
 * How many runs of one owner may wait. To count them is dear where many come and go, and has to be
 * done one after the other: one count that finds at least half of the places free admits a tenth
 * of them besides. So the limit is exact as long as the processes together do not admit half of it
 * in `RELIED_ON_MS`, and passed by a tenth for each process at the most.
 */
export class Admission {
  readonly #max: number;
  readonly #places: ExpiringCache<{ left: number }>;

  constructor({ queuedMax = QUEUED_RUNS_MAX, clock = systemClock }: AdmissionOptions = {}) {
    this.#max = queuedMax;
    this.#places = new ExpiringCache(clock, OWNERS_KEPT, RELIED_ON_MS);
  }

  /**
   * Throws `rate_limited` where `count` more would be too many. Follow-ups are always admitted:
   * there is one for each run that ends.
   */
  async admit(trx: Trx, { projectId, owner, count }: AdmissionQuery): Promise<void> {
    const name = `queued:${projectId}:${owner}`;
    const places = this.#places.get(name);
    if (places !== undefined && places.left >= count) {
      places.left -= count;
      return;
    }
    const [, queued] = await allOf([
      store.lockPlaces(trx, name),
      store.countQueued(trx, { projectId, owner }),
    ]);
    this.#keep(name, queued + count);
    if (queued + count <= this.#max) return;
    const detail = `No more than ${this.#max} runs of one person may wait.`;
    throw new HoldfastError('rate_limited', `${detail} Try again when some have begun.`, {
      retryAfterS: QUEUED_RETRY_S,
    });
  }

  #keep(name: string, queued: number): void {
    if (queued > this.#max / 2) this.#places.forget(name);
    else this.#places.put(name, { left: Math.floor(this.#max * RELIED_ON_SHARE) });
  }
}
