import { sql } from 'kysely';
import { type Clock, HoldfastError, newUuidV7, systemClock } from '../../kernel/index.ts';
import type { Database, Executor, Trx } from '../database/index.ts';
import { type DataKey, keyTables, OpeningKeys, SealingKeys, unwrap, wrap } from './data-keys.ts';
import { openBox, sealBoxes } from './envelope.ts';
import { KeyRing, type MasterKeySource } from './master-key.ts';
import { openBytes, sealBytes } from './sealed-stream.ts';
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

/** Keys re-wrapped in one transaction. */
const REWRAP_PAGE = 100;

/**
 * Envelope encryption over `subject_keys`.
 *
 * Keys are kept for `KEY_CACHE_TTL_MS`. Sealing keeps only those that were there when its
 * transaction looked: a key that the transaction made itself vanishes if it rolls back, and text
 * sealed with it later could never be read. There is no lock between sealing and erasing: text that
 * is sealed with a key that was just erased is unreadable, as it should be.
 */
export function createSealer(options: SealerOptions): RewrappingSealer {
  const { database } = options;
  const clock = options.clock ?? systemClock;
  const ring = new KeyRing(options.masterKeys, clock);
  const opening = new OpeningKeys(ring, clock);
  const sealing = new SealingKeys(ring, clock);

  async function sealAll(trx: Trx, subject: string, plains: readonly unknown[]) {
    const { keyId, key } = await sealing.keyFor(trx, subject);
    const texts = plains.map(plain => Buffer.from(JSON.stringify(plain)));
    const boxes = sealBoxes(key, ['data', subject, keyId], texts);
    return boxes.map(ciphertext => ({ keyId, ciphertext }));
  }

  async function openAll(executor: Executor, subject: string, sealed: readonly Sealed[]) {
    if (sealed.length === 0) return [];
    const dataKey = await opening.keyFor(executor, subject, sealed[0]!.keyId);
    return sealed.map(one => (dataKey === undefined ? undefined : openOne(dataKey, one)));
  }

  return {
    sealAll,
    openAll,
    create: (trx, subject) => sealing.create(trx, subject),
    async seal(trx, subject, plain) {
      const [sealed] = await sealAll(trx, subject, [plain]);
      return sealed as Sealed;
    },
    open: async (executor, subject, sealed) => (await openAll(executor, subject, [sealed]))[0],
    lookUpKey: async (executor, subject) => void (await opening.keyFor(executor, subject)),
    async *sealStream(subject, name, plain) {
      const dataKey = await database.transaction(trx => sealing.keyFor(trx, subject));
      yield* sealBytes(dataKey, name, plain);
    },
    openStream: (name, sealed) =>
      openBytes(name, sealed, (subject, keyId) => opening.keyFor(database.db, subject, keyId)),
    async erase(trx, subject) {
      opening.forget(subject);
      sealing.forget(subject);
      await keyTables(trx)
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
    },
    rewrap: () => rewrap(database, ring),
  };
}

/** Neither another key's text opens nor, by the associated data, another subject's. */
function openOne({ key, subject }: DataKey, { keyId, ciphertext }: Sealed): unknown {
  try {
    return JSON.parse(openBox(key, ['data', subject, keyId], ciphertext).toString());
  } catch (cause) {
    throw new HoldfastError('internal', 'A stored value was altered and cannot be read.', {
      cause,
    });
  }
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
  const rows = await keyTables(trx)
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
    await keyTables(trx)
      .updateTable('subject_keys')
      .set(await wrap(ring, dataKey.key.export(), row.subject, row.key_id))
      .where('key_id', '=', row.key_id)
      .execute();
  }
  return { rewrapped, unreadable: rows.length - rewrapped, last: rows.at(-1)?.key_id };
}
