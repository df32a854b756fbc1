import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { HoldfastError, newUuidV7 } from '../../kernel/index.ts';
import type { Executor } from '../database/index.ts';
import { DATA_KEY_BYTES, openBox, sealBox } from './envelope.ts';
import type { KeyRing } from './key-ring.ts';

/** Data keys as they are stored, each wrapped by a master key, and how they are used. */
export interface SubjectKeysTable {
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

export type KeyRow = Omit<SubjectKeysTable, 'erased_at'>;

export const keyTables = (executor: Executor) =>
  executor.withTables<{ subject_keys: SubjectKeysTable }>();

/** The subject's key as it is stored; `wrapped` is null once it was erased. */
export async function findKey(executor: Executor, subject: string): Promise<KeyRow | undefined> {
  return await keyTables(executor)
    .selectFrom('subject_keys')
    .select(['subject', 'key_id', 'master_key_id', 'wrapped'])
    .where('subject', '=', subject)
    .executeTakeFirst();
}

/** A new key of a subject, not stored yet. */
export async function newKey(ring: KeyRing, subject: string): Promise<KeyRow> {
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
