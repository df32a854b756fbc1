import type { RecordingMetadata } from '@holdfast/protocol';
import type { Executor } from '../platform/database/index.ts';
import type { RecordingsDeps } from './deps.ts';
import type { RecordingRow } from './store.ts';

/** The private part of what was said of a recording; empty where its session was erased. */
export async function openPrivate(
  deps: Pick<RecordingsDeps, 'database' | 'sealer'>,
  row: RecordingRow,
  executor: Executor = deps.database.db,
): Promise<Pick<RecordingMetadata, 'transcription'>> {
  if (row.private_key_id === null || row.private_data === null) return {};
  const sealed = { keyId: row.private_key_id, ciphertext: row.private_data };
  const plain = await deps.sealer.open(executor, row.session_id, sealed);
  return (plain ?? {}) as Pick<RecordingMetadata, 'transcription'>;
}
