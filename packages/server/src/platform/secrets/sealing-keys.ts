import { sql } from 'kysely';
import { type Clock, ExpiringCache, HoldfastError } from '../../kernel/index.ts';
import type { Trx } from '../database/index.ts';
import { type DataKey, findKey, type KeyRow, keyTables, newKey, unwrap } from './data-keys.ts';
import type { KeyRing } from './key-ring.ts';

/** Data keys that a process keeps unwrapped for reading. */
export const KEY_CACHE_MAX = 1_000;
/**
 * How long an unwrapped key serves reads before the table is asked again: the longest time by
 * which a replica can still read what another one erased.
 */
export const KEY_CACHE_TTL_MS = 10_000;

/** The keys to seal with, by subject. */
export class SealingKeys {
  readonly #ring: KeyRing;
  readonly #cache: ExpiringCache<DataKey>;
  /** What each transaction made itself. */
  readonly #made = new WeakMap<Trx, Map<string, Promise<DataKey>>>();

  constructor(ring: KeyRing, clock: Clock) {
    this.#ring = ring;
    this.#cache = new ExpiringCache(clock, KEY_CACHE_MAX, KEY_CACHE_TTL_MS);
  }

  async keyFor(trx: Trx, subject: string): Promise<DataKey> {
    const known = (await this.#made.get(trx)?.get(subject)) ?? this.#cache.get(subject);
    if (known !== undefined) return known;
    const found = await findKey(trx, subject);
    const { row, made } = found ? { row: found, made: false } : await this.#make(trx, subject);
    if (row.wrapped === null) throw new HoldfastError('gone', 'This piece of work was erased.');
    const dataKey = await unwrap(this.#ring, row);
    if (made) this.#remember(trx, subject, Promise.resolve(dataKey));
    else this.#cache.put(subject, dataKey);
    return dataKey;
  }

  forget(subject: string): void {
    this.#cache.forget(subject);
  }

  /** Sealing in the same transaction uses the key at once, while it is still being written. */
  async create(trx: Trx, subject: string): Promise<void> {
    const making = newKey(this.#ring, subject);
    this.#remember(
      trx,
      subject,
      making.then(row => unwrap(this.#ring, row)),
    );
    const row = await making;
    await keyTables(trx)
      .insertInto('subject_keys')
      .values({ ...row, erased_at: null })
      .execute();
  }

  /**
   * Of two transactions making a subject's first key, the second waits and takes the first's; that
   * `on conflict` changes nothing only lets the row be returned.
   */
  async #make(trx: Trx, subject: string): Promise<{ row: KeyRow; made: boolean }> {
    const own = await newKey(this.#ring, subject);
    const { rows } = await sql<KeyRow>`
      insert into subject_keys (subject, key_id, master_key_id, wrapped)
      values (${subject}, ${own.key_id}, ${own.master_key_id}, ${own.wrapped})
      on conflict (subject) do update set subject = excluded.subject
      returning subject, key_id, master_key_id, wrapped`.execute(trx);
    const row = rows[0]!;
    return { row, made: row.key_id === own.key_id };
  }

  #remember(trx: Trx, subject: string, dataKey: Promise<DataKey>): void {
    const made = this.#made.get(trx) ?? new Map<string, Promise<DataKey>>();
    this.#made.set(trx, made.set(subject, dataKey));
  }
}
