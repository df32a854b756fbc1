import { HoldfastError } from '../../kernel/index.ts';
import type { Database } from '../database/index.ts';
import type { MasterKeySource } from './master-key.ts';

type Tables = { subject_keys: { master_key_id: string | null } };

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
  const rows = await database.db
    .withTables<Tables>()
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
