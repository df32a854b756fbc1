import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { type Clock, HoldfastError, newUuidV7, systemClock } from '../../kernel/index.ts';
import type { Database, Executor, Trx } from '../database/index.ts';
import { DATA_KEY_BYTES, openBox, sealBox } from './envelope.ts';
import { KeyCache } from './key-cache.ts';
import { KeyRing } from './key-ring.ts';
import type { MasterKeySource } from './master-key.ts';
import type { Sealed, Sealer } from './secrets.ts';

export interface SealerOptions {
  readonly database: Database;
  readonly masterKeys: MasterKeySource;
  readonly clock?: Clock;
}

export interface RewrappingSealer extends Sealer {
  /**
   * Wraps all data keys anew that an earlier master key wrapped, some at a time. Afterwards the
   * earlier master keys may be withdrawn, unless another replica still uses one as current.
   * `unreadable` counts keys that were altered or whose master key is missing; they stay.
   */
  rewrap(): Promise<{ rewrapped: number; unreadable: number }>;
}

interface SubjectKeysTable {
  subject: string;
  key_id: string;
  master_key_id: string | null;
  wrapped: Uint8Array | null;
  erased_at: Date | null;
}

interface DataKey {
  readonly subject: string;
  readonly keyId: string;
  readonly key: KeyObject;
}

type KeyRow = Omit<SubjectKeysTable, 'erased_at'>;

/** Data keys that a process keeps unwrapped for reading. */
export const KEY_CACHE_MAX = 1_000;
/**
 * How long an unwrapped key serves reads before the table is asked again: the longest time by
 * which a replica can still read what another one erased.
 */
export const KEY_CACHE_TTL_MS = 10_000;
/** Keys re-wrapped in one transaction. */
const REWRAP_PAGE = 100;

const tables = (executor: Executor) => executor.withTables<{ subject_keys: SubjectKeysTable }>();

/**
 * Envelope encryption over `subject_keys`.
 *
 * Keys are kept for `KEY_CACHE_TTL_MS`. Sealing keeps only those that were there when its
 * transaction looked: a key that the transaction made itself vanishes if it rolls back, and text
 * sealed with it later could never be read. There is no lock between sealing and erasing: text that
 * is sealed with a key that was just erased is unreadable, as it should be.
 */
export function createSealer(options: SealerOptions): RewrappingSealer {
  const clock = options.clock ?? systemClock;
  const ring = new KeyRing(options.masterKeys, clock);
  const cache = new KeyCache<DataKey>(clock, KEY_CACHE_MAX, KEY_CACHE_TTL_MS);
  const sealing = new SealingKeys(ring, clock);

  async function sealAll(trx: Trx, subject: string, plains: readonly unknown[]) {
    const { keyId, key } = await sealing.keyFor(trx, subject);
    return plains.map(plain => ({
      keyId,
      ciphertext: sealBox(key, ['data', subject, keyId], Buffer.from(JSON.stringify(plain))),
    }));
  }

  async function openAll(executor: Executor, subject: string, sealed: readonly Sealed[]) {
    const keys = await keysForOpening({ executor, ring, cache, sealed });
    return sealed.map(one => openOne(keys.get(one.keyId), subject, one));
  }

  return {
    sealAll,
    openAll,
    async seal(trx, subject, plain) {
      const [sealed] = await sealAll(trx, subject, [plain]);
      return sealed as Sealed;
    },
    async open(executor, subject, sealed) {
      return (await openAll(executor, subject, [sealed]))[0];
    },
    async erase(trx, subject) {
      cache.forget(dataKey => dataKey.subject === subject);
      sealing.forget(subject);
      await eraseKey(trx, subject);
    },
    rewrap: () => rewrap(options.database, ring),
  };
}

/** The keys to seal with, by subject. */
class SealingKeys {
  readonly #ring: KeyRing;
  readonly #cache: KeyCache<DataKey>;
  /** What each transaction made itself. */
  readonly #made = new WeakMap<Trx, Map<string, DataKey>>();

  constructor(ring: KeyRing, clock: Clock) {
    this.#ring = ring;
    this.#cache = new KeyCache(clock, KEY_CACHE_MAX, KEY_CACHE_TTL_MS);
  }

  async keyFor(trx: Trx, subject: string): Promise<DataKey> {
    const known = this.#made.get(trx)?.get(subject) ?? this.#cache.get(subject);
    if (known !== undefined) return known;
    const { made, ...row } = await findOrMakeKey(trx, this.#ring, subject);
    if (row.wrapped === null) throw new HoldfastError('gone', 'This piece of work was erased.');
    const dataKey = await unwrap(this.#ring, row);
    if (made) this.#remember(trx, dataKey);
    else this.#cache.put(subject, dataKey);
    return dataKey;
  }

  forget(subject: string): void {
    this.#cache.forget(dataKey => dataKey.subject === subject);
  }

  #remember(trx: Trx, dataKey: DataKey): void {
    const made = this.#made.get(trx) ?? new Map<string, DataKey>();
    this.#made.set(trx, made.set(dataKey.subject, dataKey));
  }
}

/**
 * One statement. Of two transactions making a subject's first key, the second waits and takes the
 * first's; that `on conflict` changes nothing only lets the row be returned.
 */
async function findOrMakeKey(
  trx: Trx,
  ring: KeyRing,
  subject: string,
): Promise<KeyRow & { made: boolean }> {
  const keyId = `dk_${newUuidV7().replaceAll('-', '')}`;
  const own = await wrap(ring, randomBytes(DATA_KEY_BYTES), subject, keyId);
  const { rows } = await sql<KeyRow>`
    with found as (
      select subject, key_id, master_key_id, wrapped from subject_keys where subject = ${subject}
    ), made as (
      insert into subject_keys (subject, key_id, master_key_id, wrapped)
      select ${subject}::text, ${keyId}, ${own.master_key_id}, ${own.wrapped}::bytea
      where not exists (select from found)
      on conflict (subject) do update set subject = excluded.subject
      returning subject, key_id, master_key_id, wrapped
    )
    select * from found union all select * from made`.execute(trx);
  const row = rows[0]!;
  return { ...row, made: row.key_id === keyId };
}

async function wrap(ring: KeyRing, dataKey: Buffer, subject: string, keyId: string) {
  const master = await ring.current();
  const belongsTo = ['key', subject, keyId, master.id];
  return { master_key_id: master.id, wrapped: sealBox(master.key, belongsTo, dataKey) };
}

async function unwrap(ring: KeyRing, row: KeyRow): Promise<DataKey> {
  if (row.wrapped === null || row.master_key_id === null) throw new Error('The key was erased.');
  const master = await ring.byId(row.master_key_id);
  const belongsTo = ['key', row.subject, row.key_id, master.id];
  try {
    const key = createSecretKey(openBox(master.key, belongsTo, row.wrapped));
    return { subject: row.subject, keyId: row.key_id, key };
  } catch (cause) {
    throw new HoldfastError('internal', 'A stored key was altered and cannot be used.', { cause });
  }
}

async function keysForOpening(request: {
  executor: Executor;
  ring: KeyRing;
  cache: KeyCache<DataKey>;
  sealed: readonly Sealed[];
}): Promise<Map<string, DataKey>> {
  const { executor, ring, cache, sealed } = request;
  const found = new Map<string, DataKey>();
  const missing = new Set<string>();
  for (const { keyId } of sealed) {
    const cached = cache.get(keyId);
    if (cached === undefined) missing.add(keyId);
    else found.set(keyId, cached);
  }
  if (missing.size === 0) return found;
  const rows = await tables(executor)
    .selectFrom('subject_keys')
    .select(['subject', 'key_id', 'master_key_id', 'wrapped'])
    .where('key_id', '=', sql<string>`any(${[...missing]}::text[])`)
    .where('wrapped', 'is not', null)
    .execute();
  for (const row of rows) {
    const dataKey = await unwrap(ring, row);
    cache.put(dataKey.keyId, dataKey);
    found.set(dataKey.keyId, dataKey);
  }
  return found;
}

function openOne(dataKey: DataKey | undefined, subject: string, sealed: Sealed): unknown {
  if (dataKey === undefined) return undefined;
  try {
    // The associated data holds the subject asked for, so another subject's text does not open.
    const belongsTo = ['data', subject, sealed.keyId];
    return JSON.parse(openBox(dataKey.key, belongsTo, sealed.ciphertext).toString());
  } catch (cause) {
    throw new HoldfastError('internal', 'A stored value was altered and cannot be read.', {
      cause,
    });
  }
}

async function eraseKey(trx: Trx, subject: string): Promise<void> {
  await tables(trx)
    .insertInto('subject_keys')
    .values({
      subject,
      key_id: `dk_${newUuidV7().replaceAll('-', '')}`,
      master_key_id: null,
      wrapped: null,
      erased_at: sql<Date>`clock_timestamp()`,
    })
    .onConflict(conflict =>
      conflict.column('subject').doUpdateSet({
        master_key_id: null,
        wrapped: null,
        erased_at: sql<Date>`coalesce(subject_keys.erased_at, clock_timestamp())`,
      }),
    )
    .execute();
}

async function rewrap(database: Database, ring: KeyRing) {
  const total = { rewrapped: 0, unreadable: 0 };
  let after = '';
  for (;;) {
    const page = await database.transaction(trx => rewrapPage(trx, ring, after));
    total.rewrapped += page.rewrapped;
    total.unreadable += page.unreadable;
    if (page.last === undefined) return total;
    after = page.last;
  }
}

interface RewrappedPage {
  readonly rewrapped: number;
  readonly unreadable: number;
  readonly last: string | undefined;
}

async function rewrapPage(trx: Trx, ring: KeyRing, after: string): Promise<RewrappedPage> {
  const current = await ring.current();
  const rows = await tables(trx)
    .selectFrom('subject_keys')
    .select(['subject', 'key_id', 'master_key_id', 'wrapped'])
    .where('key_id', '>', after)
    .where('wrapped', 'is not', null)
    .where('master_key_id', '!=', current.id)
    .orderBy('key_id')
    .limit(REWRAP_PAGE)
    .forUpdate()
    .execute();
  let rewrapped = 0;
  for (const row of rows) {
    const dataKey = await unwrap(ring, row).catch(() => undefined);
    if (dataKey === undefined) continue;
    rewrapped += 1;
    await tables(trx)
      .updateTable('subject_keys')
      .set(await wrap(ring, dataKey.key.export(), row.subject, row.key_id))
      .where('key_id', '=', row.key_id)
      .execute();
  }
  return { rewrapped, unreadable: rows.length - rewrapped, last: rows.at(-1)?.key_id };
}
