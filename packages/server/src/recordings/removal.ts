import { newUuidV7 } from '../kernel/index.ts';
import type { RecordingsDeps } from './deps.ts';
import * as store from './store.ts';

/** One purge, and one round of retention, handles at most so many rows. */
export const PURGE_BATCH = 100;
/** A blob that could not be deleted is left alone for so long, so that others get their turn. */
const PURGE_RETRY_S = 300;

/**
 * Hides a complete recording and appends that to its session's log, in one transaction; the next
 * `purgeRow` removes its blob. False when it was already gone. The log of an erased session takes
 * no events, so there the recording is only hidden.
 */
export async function hide(
  deps: RecordingsDeps,
  row: store.RecordingRow,
  actor: string,
): Promise<boolean> {
  const appendId = newUuidV7();
  const hidden = await deps.database.transaction(async trx => {
    if ((await store.markDeleting(trx, row.id)) === undefined) return false;
    // The keys mark it as erased, in case a restored backup of the data contains it.
    await deps.sealer.erase(trx, row.id);
    const subject = await deps.log.subject(trx, row.session_id);
    if (subject === null || subject.erasedAt !== null) return true;
    await deps.log.append(trx, {
      subject: row.session_id,
      actor,
      appendId,
      events: [{ type: 'recording.deleted', data: { recording_id: row.id } }],
    });
    return true;
  });
  if (hidden) deps.log.ring(row.session_id);
  return hidden;
}

/** Hides again, before anything is served, what a restored backup brought back. */
export async function hideAgain(deps: RecordingsDeps): Promise<void> {
  for (;;) {
    const rows = await store.broughtBack(deps.database.db, PURGE_BATCH);
    for (const row of rows) await hide(deps, row, `replica:${deps.leases.replica}`);
    if (rows.length > 0)
      deps.telemetry.log.warn('erasures.replayed', { kind: 'recording', count: rows.length });
    if (rows.length < PURGE_BATCH) return;
  }
}

/** Hides what is past its retention, oldest first; one that fails does not hold up the others. */
export async function retire(deps: RecordingsDeps, retentionDays: number): Promise<void> {
  for (const row of await store.outdated(deps.database.db, retentionDays, PURGE_BATCH)) {
    try {
      await hide(deps, row, `replica:${deps.leases.replica}`);
    } catch (error) {
      deps.telemetry.log.error('recording.retire_failed', { recording_id: row.id, error });
    }
  }
}

/**
 * Deletes blobs and rows that are marked, and answers how many it took up: fewer than `PURGE_BATCH`
 * means that none is left to try now. What fails is not taken up again for `PURGE_RETRY_S`, so that
 * calling again comes to an end.
 */
export async function purge(deps: RecordingsDeps): Promise<number> {
  const rows = await store.deleting(deps.database.db, PURGE_BATCH);
  for (const row of rows) await purgeRow(deps, row);
  return rows.length;
}

/** Deletes blob, spool file and row of a marked recording; failures are logged and wait. */
export async function purgeRow(deps: RecordingsDeps, row: store.RecordingRow): Promise<void> {
  try {
    await deps.blobs.delete(row.blob_key);
    await deps.spool.remove(row.id);
  } catch (error) {
    deps.telemetry.log.error('recording.purge_failed', { recording_id: row.id, error });
    await store.postponePurge(deps.database.db, row.id, PURGE_RETRY_S);
    return;
  }
  await store.removeDeleted(deps.database.db, row.id);
}
