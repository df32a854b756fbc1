import { type Clock, ExpiringCache, HoldfastError, systemClock } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import * as store from './store.ts';

/** Runs of one owner that wait in one project; more are refused. */
const QUEUED_RUNS_MAX = 1_000;
/** A run may wait long before it begins. */
const QUEUED_RETRY_S = 30;
/** How long a count that found room is reused. */
const RELIED_ON_MS = 1_000;
/** For which share of the slots it is reused. */
const RELIED_ON_SHARE = 0.1;
const OWNERS_KEPT = 10_000;

/**
 * How many runs of one owner may wait. Counting is slow under load, because counts must follow one
 * another: one count that finds at least half of the slots free admits a tenth of them besides. So
 * the limit is exact as long as the processes together do not admit half of it in `RELIED_ON_MS`,
 * and passed by at most a tenth for each process.
 */
export class QueueLimit {
  readonly #max: number;
  readonly #slots: ExpiringCache<{ left: number }>;

  /** `queuedMax`: default `QUEUED_RUNS_MAX`. */
  constructor(options: { readonly queuedMax?: number | undefined; readonly clock?: Clock } = {}) {
    const { queuedMax = QUEUED_RUNS_MAX, clock = systemClock } = options;
    this.#max = queuedMax;
    this.#slots = new ExpiringCache(clock, OWNERS_KEPT, RELIED_ON_MS);
  }

  /**
   * Throws `rate_limited` where `count` more would be too many. Follow-ups are always admitted:
   * there is one for each run that ends.
   */
  async admit(
    trx: Trx,
    asked: { readonly projectId: string; readonly owner: string; readonly count: number },
  ): Promise<void> {
    const { projectId, owner, count } = asked;
    const name = `queued:${projectId}:${owner}`;
    const slots = this.#slots.get(name);
    if (slots !== undefined && slots.left >= count) {
      slots.left -= count;
      return;
    }
    await store.lockQueue(trx, name);
    const queued = (await store.countQueued(trx, { projectId, owner })) + count;
    if (queued > this.#max / 2) this.#slots.forget(name);
    else this.#slots.put(name, { left: Math.floor(this.#max * RELIED_ON_SHARE) });
    if (queued <= this.#max) return;
    const detail = `No more than ${this.#max} runs of one person may wait.`;
    throw new HoldfastError('rate_limited', `${detail} Try again when some have begun.`, {
      retryAfterS: QUEUED_RETRY_S,
    });
  }
}
