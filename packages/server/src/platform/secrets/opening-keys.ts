import { type Clock, ExpiringCache } from '../../kernel/index.ts';
import type { Executor } from '../database/index.ts';
import { type DataKey, findKey, unwrap } from './data-keys.ts';
import type { KeyRing } from './key-ring.ts';
import { KEY_CACHE_MAX, KEY_CACHE_TTL_MS } from './sealing-keys.ts';

/** The keys to open with, by subject. */
export class OpeningKeys {
  readonly #ring: KeyRing;
  readonly #cache: ExpiringCache<DataKey>;

  constructor(ring: KeyRing, clock: Clock) {
    this.#ring = ring;
    this.#cache = new ExpiringCache(clock, KEY_CACHE_MAX, KEY_CACHE_TTL_MS);
  }

  /**
   * Undefined where the subject's key was erased, or never was. A key that is kept but is not the
   * one that is wanted was made in a transaction that did not come to be, and is looked up anew.
   */
  async keyFor(executor: Executor, subject: string, wanted?: string): Promise<DataKey | undefined> {
    const cached = this.#cache.get(subject);
    if (cached !== undefined && (wanted ?? cached.keyId) === cached.keyId) return cached;
    const row = await findKey(executor, subject);
    if (row === undefined || row.wrapped === null) return undefined;
    const dataKey = await unwrap(this.#ring, row);
    this.#cache.put(subject, dataKey);
    return dataKey;
  }

  forget(subject: string): void {
    this.#cache.forget(subject);
  }
}
