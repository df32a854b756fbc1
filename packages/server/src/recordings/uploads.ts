import type { Readable } from 'node:stream';
import type { RecordingMetadata } from '@holdfast/protocol';
import { notFound, type Principal } from '../auth/index.ts';
import { HoldfastError, newId, newUuidV7 } from '../kernel/index.ts';
import type { Subject } from '../platform/log/index.ts';
import { measureAudio } from './measure.ts';
import { blobKey, CONTAINERS, type Container, checkDeclaration } from './recording.ts';
import type { RecordingsDeps } from './service.ts';
import type { SpooledFile } from './spool.ts';
import * as store from './store.ts';

/** Uploads one process works on at the same time. */
export const UPLOADS_MAX = 20;
/** A blob write that takes longer is given up. */
export const BLOB_WRITE_TIMEOUT_MS = 15 * 60_000;
/** How long an upload that found the storage full waits for room. */
export const STORAGE_FULL_KEEP_S = 24 * 3600;

/**
 * An upload goes: `receive` (bytes to the spool) → `finish` (measure, check, pending row, blob,
 * complete row and log event). Until the pending row nothing has to be undone but the spool file.
 */
export interface Uploads {
  /** Admits one upload or throws `rate_limited`; call `release` when it is over, in any way. */
  admit(): { id: string; release(): Promise<void> };
  receive(id: string, body: Readable): Promise<SpooledFile>;
  finish(upload: FinishUpload): Promise<store.RecordingRow>;
  /** Tries again what waits for room; answers how many became complete. */
  retryKept(): Promise<number>;
}

export interface FinishUpload {
  readonly id: string;
  readonly session: Subject;
  readonly principal: Principal;
  readonly metadata: RecordingMetadata;
  readonly file: SpooledFile;
}

export function createUploads(deps: RecordingsDeps): Uploads {
  const active = new Set<string>();
  const instruments = createInstruments(deps, active);
  return {
    admit() {
      if (active.size >= UPLOADS_MAX) {
        throw new HoldfastError('rate_limited', 'Too many uploads at once; try again shortly.', {
          retryAfterS: 5,
        });
      }
      const id = newId('rec');
      active.add(id);
      return {
        id,
        release: async () => {
          active.delete(id);
          const row = await store.find(deps.database.db, id).catch(() => undefined);
          if (row?.kept_until == null) await deps.spool.remove(id);
        },
      };
    },
    receive: (id, body) =>
      deps.spool.write(id, body, deps.uploadMaxBytes).catch(error => {
        instruments.noteStorageFull(error);
        throw error;
      }),
    finish: async upload => {
      const startedMs = performance.now();
      const row = await finish(deps, upload).catch(error => {
        instruments.noteStorageFull(error);
        throw error;
      });
      instruments.noteSaved(row, performance.now() - startedMs);
      return row;
    },
    retryKept: () => retryKept(deps, active),
  };
}

async function finish(deps: RecordingsDeps, upload: FinishUpload): Promise<store.RecordingRow> {
  const measured = await measureAudio(deps.spool.path(upload.id));
  checkDeclaration(upload.metadata, measured);
  const container = measured.container as Container;
  const { transcription, ...open } = upload.metadata;
  const { row } = await deps.database.transaction(async trx =>
    store.insertPending(trx, {
      id: upload.id,
      sessionId: upload.session.id,
      audioType: upload.metadata.audio_type,
      blobKey: blobKey({
        id: upload.id,
        sessionId: upload.session.id,
        audioType: upload.metadata.audio_type,
        startedAt: new Date(upload.metadata.timestamp_start),
        container,
      }),
      contentType: CONTAINERS[container].contentType,
      sizeBytes: upload.file.sizeBytes,
      sha256: upload.file.sha256,
      metadata: open,
      private:
        transcription === undefined
          ? null
          : await deps.sealer.seal(trx, upload.session.id, { transcription }),
      measured,
      uploadedBy: upload.principal.id,
    }),
  );
  if (row.state === 'deleting') {
    throw new HoldfastError('conflict', 'The same recording is just being deleted; try again.', {
      retryAfterS: 5,
    });
  }
  return row.state === 'complete' ? row : writeBlob(deps, row, upload.id);
}

/** Writes the blob of a pending row from the spool file `spoolId` and completes the row. */
async function writeBlob(
  deps: RecordingsDeps,
  row: store.RecordingRow,
  spoolId: string,
): Promise<store.RecordingRow> {
  const { db } = deps.database;
  try {
    await deps.blobs.put(row.blob_key, deps.spool.read(spoolId), {
      contentType: row.content_type,
      maxBytes: deps.uploadMaxBytes,
      signal: AbortSignal.timeout(BLOB_WRITE_TIMEOUT_MS),
    });
    return await complete(deps, row);
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'storage_full') {
      // Only the file under the row's own id is found again; a second upload's file goes.
      if (spoolId === row.id) await store.keepPending(db, row.id, STORAGE_FULL_KEEP_S);
    } else {
      await store.markAbandoned(db, row.id);
    }
    throw error;
  }
}

/** Complete row and log event in one transaction; a second completion changes nothing. */
async function complete(
  deps: RecordingsDeps,
  pending: store.RecordingRow,
): Promise<store.RecordingRow> {
  const appendId = newUuidV7();
  const row = await deps.database.transaction(async trx => {
    const completed = await store.markComplete(trx, pending.id);
    if (completed === undefined) return store.find(trx, pending.id);
    await deps.log.append(trx, {
      subject: completed.session_id,
      actor: completed.uploaded_by,
      appendId,
      events: [
        {
          type: 'recording.uploaded',
          data: {
            recording_id: completed.id,
            audio_type: completed.audio_type,
            duration_s: completed.duration_s,
            size_bytes: completed.size_bytes,
          },
        },
      ],
    });
    return completed;
  });
  if (row === undefined || row.state !== 'complete') {
    throw notFound();
  }
  deps.log.ring(row.session_id);
  return row;
}

async function retryKept(deps: RecordingsDeps, active: ReadonlySet<string>): Promise<number> {
  let completed = 0;
  for (const { id } of await deps.spool.list()) {
    if (active.has(id)) continue;
    const row = await store.find(deps.database.db, id);
    if (row?.state !== 'pending' || row.kept_until === null) continue;
    try {
      await writeBlob(deps, row, id);
      await deps.spool.remove(id);
      completed += 1;
    } catch (error) {
      if (error instanceof HoldfastError && error.code === 'storage_full') return completed;
      deps.telemetry.log.error('recording.retry_failed', { recording_id: id, error });
    }
  }
  return completed;
}

function createInstruments(deps: RecordingsDeps, active: ReadonlySet<string>) {
  const { meter, log } = deps.telemetry;
  const saved = meter.createCounter('audio_files_saved_total');
  const duration = meter.createHistogram('audio_processing_duration_seconds');
  const bytes = meter.createCounter('holdfast_recording_bytes_total');
  const full = meter.createCounter('holdfast_storage_full_total');
  meter
    .createObservableGauge('holdfast_uploads_active')
    .addCallback(result => result.observe(active.size));
  return {
    noteSaved(row: store.RecordingRow, elapsedMs: number): void {
      saved.add(1, { audio_type: row.audio_type });
      bytes.add(row.size_bytes, { audio_type: row.audio_type });
      duration.record(elapsedMs / 1000, { audio_type: row.audio_type });
      log.info('recording.saved', { recording_id: row.id, size_bytes: row.size_bytes });
    },
    noteStorageFull(error: unknown): void {
      if (!(error instanceof HoldfastError) || error.code !== 'storage_full') return;
      full.add(1);
      log.alert('storage.full', { what: 'recordings' });
    },
  };
}
