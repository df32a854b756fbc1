import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { ErrorCode, RecordingMetadata } from '@holdfast/protocol';
import type { Principal } from '../auth/index.ts';
import { HoldfastError, newId, newUuidV7 } from '../kernel/index.ts';
import type { Subject } from '../platform/log/index.ts';
import type { RecordingsDeps } from './deps.ts';
import { createInstruments } from './instruments.ts';
import { openPrivate } from './private.ts';
import { blobKey, blobMetadata, CONTAINERS, checkDeclaration } from './recording.ts';
import type { SpooledFile } from './spool.ts';
import * as store from './store.ts';

/** Uploads one process works on at the same time. */
const UPLOADS_MAX = 20;
/** How many of them one owner may have, so that others find room. */
export const UPLOADS_PER_OWNER_MAX = 10;
/** An upload that sends nothing for so long gives its place to another. */
const UPLOAD_IDLE_MS = 30_000;
/** A blob write that takes longer is given up. */
export const BLOB_WRITE_TIMEOUT_MS = 15 * 60_000;
/** How long an upload that found the storage full waits for room. */
const STORAGE_FULL_KEEP_S = 24 * 3600;

/** How often the same bytes and metadata may come with another transcription. */
const VERSIONS_MAX = 20;

/** When to send bytes again that another upload is writing, or that are being deleted. */
const BUSY_RETRY_S = 5;

/**
 * An upload goes: `receive` (bytes to the spool) → `finish` (measure, check, pending row, blob,
 * complete row and log event). Until the pending row nothing has to be undone but the spool file.
 *
 * A pending row whose upload failed stays: the same upload sent again completes it, and the sweep
 * gives it up otherwise. One upload writes at a time: within a process `Live` records which, and
 * the others get `conflict` with a time to try again. Writers of two replicas write the same
 * bytes under the same key: either the later one finds the row complete, or the blob store refuses
 * one with `conflict`, and the row then decides.
 */
export interface Uploads {
  /** Admits one upload or throws `rate_limited`; call `release` when it is over, in any way. */
  admit(owner: string): { id: string; release(): Promise<void> };
  receive(id: string, body: Readable): Promise<SpooledFile>;
  finish(upload: FinishUpload): Promise<store.RecordingRow>;
  /**
   * Tries again what waits for room in this process's spool; answers how many became complete.
   * What fails goes on waiting, until its time is over and the sweep gives it up.
   */
  retryKept(): Promise<number>;
}

interface FinishUpload {
  readonly id: string;
  readonly session: Subject;
  readonly principal: Principal;
  readonly metadata: RecordingMetadata;
  readonly file: SpooledFile;
}

/** What this process is working on. */
interface Live {
  /** Owners of admitted uploads, by their ids, which the rows that they insert bear. */
  readonly active: Map<string, string>;
  /** Ids of rows whose blob is being written. */
  readonly writing: Set<string>;
}

interface Written {
  readonly row: store.RecordingRow;
  /** False when another upload had completed it. */
  readonly completed: boolean;
}

interface Context {
  readonly deps: RecordingsDeps;
  readonly live: Live;
  readonly instruments: ReturnType<typeof createInstruments>;
}

export function createUploads(deps: RecordingsDeps): Uploads {
  const live: Live = { active: new Map(), writing: new Set() };
  const instruments = createInstruments(deps.telemetry, live.active);
  const { uploadMaxBytes: maxBytes, uploadIdleMs: idleMs = UPLOAD_IDLE_MS } = deps;
  const limits = { maxBytes, idleMs };
  const context = { deps, live, instruments };
  return {
    admit(owner) {
      const own = [...live.active.values()].filter(one => one === owner);
      if (live.active.size >= UPLOADS_MAX || own.length >= UPLOADS_PER_OWNER_MAX) {
        const text =
          `Too many uploads: ${UPLOADS_PER_OWNER_MAX} of one caller and ${UPLOADS_MAX} in all ` +
          `may be under way at once. Send it again in ${BUSY_RETRY_S} s.`;
        throw new HoldfastError('rate_limited', text, { retryAfterS: BUSY_RETRY_S });
      }
      const id = newId('rec');
      live.active.set(id, owner);
      return { id, release: () => release(context, id) };
    },
    receive: (id, body) =>
      deps.spool.write(id, body, limits).catch(error => {
        instruments.noteStorageFull(error);
        throw error;
      }),
    finish: upload =>
      finish(context, upload).catch(error => {
        instruments.noteStorageFull(error);
        throw error;
      }),
    retryKept: () => retryKept(context),
  };
}

/** Removes the spool file unless its row waits for room, or that cannot be known. */
async function release({ deps, live }: Context, id: string): Promise<void> {
  live.active.delete(id);
  try {
    const row = await store.find(deps.database.db, id);
    const isKept = row?.state === 'pending' && row.kept_until !== null;
    if (!isKept) await deps.spool.remove(id);
  } catch (error) {
    // The sweep removes it when no row can need it any more.
    deps.telemetry.log.warn('recording.spool_left', { recording_id: id, error });
  }
}

async function finish(context: Context, upload: FinishUpload): Promise<store.RecordingRow> {
  const { live } = context;
  const startedMs = performance.now();
  const row = await insertPending(context.deps, upload);
  if (row.state === 'deleting') throw beingDeleted();
  if (row.state === 'complete') return row;
  if (row.id !== upload.id && live.active.has(row.id)) throw beingWritten();
  return (await writeBlob(context, { row, spoolId: upload.id, startedMs })).row;
}

async function insertPending(
  deps: RecordingsDeps,
  upload: FinishUpload,
): Promise<store.RecordingRow> {
  checkDeclaration(upload.metadata);
  const { measured, edits } = await deps.measureAudio(deps.spool.path(upload.id));
  const stored = edits.length === 0 ? upload.file : await deps.spool.edit(upload.id, edits);
  const { container } = measured;
  const { transcription, ...open } = upload.metadata;
  const sent = {
    sessionId: upload.session.id,
    audioType: upload.metadata.audio_type,
    sentSha256: upload.file.sha256,
    metadata: open,
  };
  const unkeyed = await store.findUnkeyed(deps.database.db, sent);
  if (unkeyed && (await openPrivate(deps, unkeyed)).transcription === transcription) return unkeyed;
  for (let version = 0; version < VERSIONS_MAX; version++) {
    const row = await deps.database.transaction(async trx => {
      const found = await store.insertPending(trx, {
        ...sent,
        id: upload.id,
        blobKey: blobKey({
          id: upload.id,
          sessionId: upload.session.id,
          audioType: upload.metadata.audio_type,
          startedAt: new Date(upload.metadata.timestamp_start),
          container,
        }),
        contentType: CONTAINERS[container].contentType,
        sizeBytes: stored.sizeBytes,
        uploadKey: uploadKey(upload.file.sha256, open, version),
        storedSha256: stored.sha256,
        private:
          transcription === undefined
            ? null
            : await deps.sealer.seal(trx, upload.session.id, { transcription }),
        measured,
        uploadedBy: upload.principal.id,
      });
      if (found.inserted) return found.row;
      const { transcription: before } = await openPrivate(deps, found.row, trx);
      return before === transcription ? found.row : undefined;
    });
    if (row !== undefined) return row;
  }
  const detail = `These bytes were sent with ${VERSIONS_MAX} other transcriptions already.`;
  throw new HoldfastError('conflict', detail);
}

/**
 * What makes an upload another one: its bytes, and what is said of them. What is private is no part
 * of it, because a digest could be guessed from: texts are compared, and `version` counts them.
 */
function uploadKey(sha256: string, open: Readonly<Record<string, unknown>>, version: number) {
  const said = JSON.stringify([
    sha256,
    version,
    Object.entries(open).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  ]);
  return createHash('sha256').update(said).digest('hex');
}

interface BlobWrite {
  readonly row: store.RecordingRow;
  /** The upload whose file holds the bytes. */
  readonly spoolId: string;
  readonly startedMs: number;
}

/** Writes the blob of a pending row and completes the row, unless another upload is doing so. */
async function writeBlob(context: Context, { row, spoolId, startedMs }: BlobWrite) {
  const { deps, live, instruments } = context;
  if (live.writing.has(row.id)) throw beingWritten();
  live.writing.add(row.id);
  try {
    await deps.blobs.put(row.blob_key, deps.spool.read(spoolId), {
      contentType: row.content_type,
      metadata: blobMetadata(row.metadata),
      // Some more than were sent, where a duration was written.
      maxBytes: row.size_bytes,
      signal: AbortSignal.timeout(BLOB_WRITE_TIMEOUT_MS),
    });
    const written = await complete(deps, row);
    if (written.completed) instruments.noteSaved(written.row, performance.now() - startedMs);
    return written;
  } catch (error) {
    if (hasCode(error, 'conflict')) return await afterConflict(deps, row);
    // Only the file under the row's own id is found again; a second upload's file goes.
    if (hasCode(error, 'storage_full') && spoolId === row.id) {
      await store.keepPending(deps.database.db, row.id, STORAGE_FULL_KEEP_S);
    }
    throw error;
  } finally {
    live.writing.delete(row.id);
  }
}

/** Another replica wrote the same key: it has stored these bytes, is about to, or deleted them. */
async function afterConflict(deps: RecordingsDeps, pending: store.RecordingRow): Promise<Written> {
  const row = await store.find(deps.database.db, pending.id);
  if (row?.state === 'complete') return { row, completed: false };
  throw row?.state === 'pending' ? beingWritten() : beingDeleted();
}

/** Complete row and log event in one transaction; a second completion changes nothing. */
async function complete(deps: RecordingsDeps, pending: store.RecordingRow): Promise<Written> {
  const appendId = newUuidV7();
  const completed = await deps.database
    .transaction(async trx => {
      const row = await store.markComplete(trx, pending.id);
      if (row === undefined) return undefined;
      await deps.sessions.noteActivity(trx, row.session_id);
      await deps.log.append(trx, {
        subject: row.session_id,
        actor: row.uploaded_by,
        appendId,
        events: [
          {
            type: 'recording.uploaded',
            data: {
              recording_id: row.id,
              audio_type: row.audio_type,
              duration_s: row.duration_s,
              size_bytes: row.size_bytes,
            },
          },
        ],
      });
      return row;
    })
    .catch(async error => {
      // The session was erased meanwhile: the next purge removes what came too late.
      if (hasCode(error, 'gone')) await store.markAbandoned(deps.database.db, pending.id);
      throw error;
    });
  if (completed !== undefined) {
    deps.log.ring(completed.session_id);
    return { row: completed, completed: true };
  }
  const row = await store.find(deps.database.db, pending.id);
  if (row?.state === 'complete') return { row, completed: false };
  // Given up or deleted during the write. The blob may have been removed before these bytes
  // arrived, and only this row uses the key, so removing it again is safe.
  await deps.blobs.delete(pending.blob_key);
  throw beingDeleted();
}

async function retryKept(context: Context): Promise<number> {
  const { deps, live } = context;
  let completed = 0;
  for (const { id } of await deps.spool.list()) {
    if (live.active.has(id)) continue;
    const row = await store.find(deps.database.db, id);
    const isKept = row?.state === 'pending' && row.kept_until !== null;
    try {
      if (isKept) {
        const written = await writeBlob(context, {
          row,
          spoolId: id,
          startedMs: performance.now(),
        });
        if (written.completed) completed += 1;
      }
      // Sent again meanwhile, perhaps to another replica: the file is not needed any more.
      if (isKept || row?.state === 'complete') await deps.spool.remove(id);
    } catch (error) {
      if (hasCode(error, 'storage_full')) return completed;
      deps.telemetry.log.error('recording.retry_failed', { recording_id: id, error });
    }
  }
  return completed;
}

function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof HoldfastError && error.code === code;
}

function beingWritten(): HoldfastError {
  const detail = 'The same recording is being stored; send it again shortly.';
  return new HoldfastError('conflict', detail, { retryAfterS: BUSY_RETRY_S });
}

function beingDeleted(): HoldfastError {
  const detail = 'The same recording is being deleted; send it again shortly.';
  return new HoldfastError('conflict', detail, { retryAfterS: BUSY_RETRY_S });
}
