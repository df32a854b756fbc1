import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { type Clock, ExpiringCache, HoldfastError, newUuidV7 } from '../../kernel/index.ts';
import type { Database, Executor, Trx } from '../database/index.ts';
import { DATA_KEY_BYTES, openBox, sealBox } from './envelope.ts';
import type { KeyRing, MasterKeySource } from './master-key.ts';

/** Data keys as they are stored, each wrapped by a master key, and how they are used. */
interface SubjectKeysTable {
  subject: string;
  key_id: string;
  master_key_id: string | null;
  wrapped: Uint8Array | null;
  erased_at: Date | null;
}

export interface DataKey {
  readonly subject: string;
  readonly keyId: string;
  readonly key: KeyObject;
}

type KeyRow = Omit<SubjectKeysTable, 'erased_at'>;

export const keyTables = (executor: Executor) =>
  executor.withTables<{ subject_keys: SubjectKeysTable }>();

/** The subject's key as it is stored; `wrapped` is null once it was erased. */
async function findKey(executor: Executor, subject: string): Promise<KeyRow | undefined> {
  return await keyTables(executor)
    .selectFrom('subject_keys')
    .select(['subject', 'key_id', 'master_key_id', 'wrapped'])
    .where('subject', '=', subject)
    .executeTakeFirst();
}

/** A new key of a subject, not stored yet. */
async function newKey(ring: KeyRing, subject: string): Promise<KeyRow> {
  const keyId = `dk_${newUuidV7().replaceAll('-', '')}`;
  const wrapped = await wrap(ring, randomBytes(DATA_KEY_BYTES), subject, keyId);
  return { subject, key_id: keyId, ...wrapped };
}

export async function wrap(ring: KeyRing, dataKey: Buffer, subject: string, keyId: string) {
  const master = await ring.current();
  const belongsTo = ['key', subject, keyId, master.id];
  return { master_key_id: master.id, wrapped: sealBox(master.key, belongsTo, dataKey) };
}

/** Throws `internal` when the stored key was altered. */
export async function unwrap(ring: KeyRing, row: KeyRow): Promise<DataKey> {
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

/**
 * Compares the master keys with those that the stored data keys need, at start: a process with the
 * wrong key would seal data that its siblings cannot read, unnoticed until the next read. Throws
 * when none of the needed keys is there; answers the ids of missing ones when some are, which is
 * what a rotation without re-wrapping looks like.
 */
export async function checkMasterKeys(
  database: Database,
  source: MasterKeySource,
): Promise<readonly string[]> {
  const loaded = new Set((await source.load()).map(key => key.id));
  const rows = await keyTables(database.db)
    .selectFrom('subject_keys')
    .select('master_key_id')
    .distinct()
    .where('master_key_id', 'is not', null)
    .execute();
  const needed = rows.flatMap(row => row.master_key_id ?? []);
  const missing = needed.filter(id => !loaded.has(id));
  if (needed.length > 0 && missing.length === needed.length) {
    throw new HoldfastError(
      'unavailable',
      'The private data in this database was sealed under another master key. Give that key in ' +
        'HOLDFAST_MASTER_KEY, or in the data folder it was made in.',
    );
  }
  return missing;
}

/** Subjects, the newest ones, whose first sealed text must have its key. */
const NEWEST_CHECKED = 100;

/**
 * Throws where new text has lost its key, as after a restore of the data without the keys, or with
 * older ones: these do not know what was erased since, and it would be shown again.
 */
export async function checkDataKeys(database: Database): Promise<void> {
  const { rows } = await sql`
    select from (
      select id from subjects where erased_at is null
      order by created_at desc limit ${sql.lit(NEWEST_CHECKED)}
    ) as newest
    join lateral (
      select private_key_id from events
      where subject = newest.id and private_key_id is not null order by seq limit 1
    ) as sealed on true
    where not exists (select from subject_keys where key_id = sealed.private_key_id)
    limit 1`.execute(database.db);
  if (rows.length === 0) return;
  throw new HoldfastError(
    'unavailable',
    'This database has sealed text without its data keys. Restore a backup of the keys (the ' +
      'table subject_keys) that is newer than the data: docs/guide/backups.md.',
  );
}

/** Data keys that a process keeps unwrapped for reading. */
export const KEY_CACHE_MAX = 1_000;
/**
 * How long an unwrapped key serves reads before the table is asked again: the longest time by
 * which a replica can still read what another one erased.
 */
const KEY_CACHE_TTL_MS = 10_000;

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
   * one that is wanted was made in a transaction that rolled back, and is looked up anew.
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
