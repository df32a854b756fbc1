import type { Readable } from 'node:stream';
import type { AudioType, Recording, RecordingMetadata } from '@holdfast/protocol';
import { authorize, notFound, type Principal } from '../auth/index.ts';
import { HoldfastError, newUuidV7 } from '../kernel/index.ts';
import type { BlobStore, ByteRange } from '../platform/blobs/index.ts';
import type { Database, Executor, Trx } from '../platform/database/index.ts';
import type { Log, Subject } from '../platform/log/index.ts';
import type { Sealer } from '../platform/secrets/index.ts';
import type { Telemetry } from '../platform/telemetry/index.ts';
import { presentRecording } from './present.ts';
import type { Spool } from './spool.ts';
import * as store from './store.ts';
import { createUploads, type Uploads } from './uploads.ts';

/** How long a signed playback link stays readable. */
export const SIGNED_URL_TTL_S = 3600;

export interface RecordingsDeps {
  readonly database: Database;
  readonly log: Log;
  readonly blobs: BlobStore;
  readonly sealer: Sealer;
  readonly spool: Spool;
  readonly telemetry: Telemetry;
  readonly uploadMaxBytes: number;
}

export interface RecordingTotals {
  readonly count: number;
  readonly durationS: number;
}

export interface SessionRecordings {
  readonly recordings: Recording[];
  readonly hasMore: boolean;
  readonly totals: readonly store.TypeTotals[];
}

export interface Recordings {
  readonly uploadMaxBytes: number;
  /** Who may upload to a session, decided before a byte is read. */
  uploadTarget(principal: Principal, sessionId: string): Promise<Subject>;
  readonly uploads: Uploads;
  list(
    principal: Principal,
    query: { sessionId: string; audioType?: AudioType | undefined; limit: number; offset: number },
  ): Promise<SessionRecordings>;
  get(principal: Principal, id: string): Promise<Recording>;
  /** Opens the audio and notes the access; the caller consumes or destroys the body. */
  play(
    principal: Principal,
    id: string,
    range: (sizeBytes: number) => ByteRange | undefined,
  ): Promise<Playback>;
  delete(principal: Principal, id: string): Promise<void>;
  /** For a session's view: complete recordings of each session. */
  totals(executor: Executor, sessionIds: readonly string[]): Promise<Map<string, RecordingTotals>>;
  /** Marks everything of a session for deletion; call `purge` after the commit. */
  eraseSession(trx: Trx, sessionId: string): Promise<void>;
  /** Deletes the blobs and rows that are marked, a bounded number at a time. */
  purge(): Promise<number>;
}

export interface Playback {
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly fileName: string;
  readonly range: ByteRange | undefined;
  readonly etag: string;
  readonly body: Readable;
}

/** One purge handles at most so many rows. */
export const PURGE_BATCH = 100;

export function createRecordings(deps: RecordingsDeps): Recordings {
  const { database } = deps;
  return {
    uploadMaxBytes: deps.uploadMaxBytes,
    uploads: createUploads(deps),
    uploadTarget: (principal, sessionId) =>
      authorizeSession(deps, 'recordings.write', principal, sessionId),
    list: (principal, query) => list(deps, principal, query),
    get: async (principal, id) => {
      const row = await authorizeRecording(deps, 'recordings.read', principal, id);
      return presentRecording(row, await openPrivate(deps, row));
    },
    play: (principal, id, range) => play(deps, principal, id, range),
    delete: (principal, id) => remove(deps, principal, id),
    totals: (executor, sessionIds) => sumBySession(executor, sessionIds),
    eraseSession: (trx, sessionId) => store.markSessionDeleting(trx, sessionId),
    purge: async () => {
      const rows = await store.deleting(database.db, PURGE_BATCH);
      for (const row of rows) {
        await deps.blobs.delete(row.blob_key);
        await deps.spool.remove(row.id);
        await store.removeDeleted(database.db, row.id);
      }
      return rows.length;
    },
  };
}

async function authorizeSession(
  deps: RecordingsDeps,
  policy: string,
  principal: Principal,
  sessionId: string,
): Promise<Subject> {
  const subject = await deps.log.subject(deps.database.db, sessionId);
  if (subject === null || subject.kind !== 'session' || subject.erasedAt !== null) {
    throw notFound();
  }
  authorize(policy, principal, { projectId: subject.projectId, createdBy: subject.createdBy });
  return subject;
}

async function authorizeRecording(
  deps: RecordingsDeps,
  policy: string,
  principal: Principal,
  id: string,
): Promise<store.RecordingRow> {
  const row = await store.find(deps.database.db, id);
  if (row === undefined || row.state !== 'complete') {
    throw notFound();
  }
  await authorizeSession(deps, policy, principal, row.session_id);
  return row;
}

async function openPrivate(
  deps: RecordingsDeps,
  row: store.RecordingRow,
): Promise<Partial<RecordingMetadata>> {
  if (row.private_key_id === null || row.private_data === null) return {};
  const sealed = { keyId: row.private_key_id, ciphertext: row.private_data };
  const plain = await deps.sealer.open(deps.database.db, row.session_id, sealed);
  return (plain ?? {}) as Partial<RecordingMetadata>;
}

async function list(
  deps: RecordingsDeps,
  principal: Principal,
  query: { sessionId: string; audioType?: AudioType | undefined; limit: number; offset: number },
): Promise<SessionRecordings> {
  await authorizeSession(deps, 'recordings.read', principal, query.sessionId);
  const { db } = deps.database;
  // One row more than asked for tells whether there are more.
  const rows = await store.listComplete(db, { ...query, limit: query.limit + 1 });
  const shown = rows.slice(0, query.limit);
  return {
    recordings: await Promise.all(
      shown.map(async row => presentRecording(row, await openPrivate(deps, row))),
    ),
    hasMore: rows.length > shown.length,
    totals: await store.totals(db, [query.sessionId]),
  };
}

async function play(
  deps: RecordingsDeps,
  principal: Principal,
  id: string,
  chooseRange: (sizeBytes: number) => ByteRange | undefined,
): Promise<Playback> {
  const row = await authorizeRecording(deps, 'recordings.read', principal, id);
  const range = chooseRange(row.size_bytes);
  const blob = await deps.blobs.get(row.blob_key, range);
  if (blob === null) {
    deps.telemetry.log.alert('recording.blob_missing', { recording_id: id });
    throw new HoldfastError('unavailable', 'The audio of this recording cannot be read now.');
  }
  await store.touch(deps.database.db, id);
  return {
    contentType: row.content_type,
    sizeBytes: row.size_bytes,
    fileName: row.blob_key.slice(row.blob_key.lastIndexOf('/') + 1),
    range,
    etag: `"${row.sha256}"`,
    body: blob.body,
  };
}

async function remove(deps: RecordingsDeps, principal: Principal, id: string): Promise<void> {
  const row = await authorizeRecording(deps, 'recordings.delete', principal, id);
  const appendId = newUuidV7();
  await deps.database.transaction(async trx => {
    if ((await store.markDeleting(trx, id)) === undefined) return;
    await deps.log.append(trx, {
      subject: row.session_id,
      actor: principal.id,
      appendId,
      events: [{ type: 'recording.deleted', data: { recording_id: id } }],
    });
  });
  deps.log.ring(row.session_id);
  await deps.blobs.delete(row.blob_key);
  await store.removeDeleted(deps.database.db, id);
}

async function sumBySession(
  executor: Executor,
  sessionIds: readonly string[],
): Promise<Map<string, RecordingTotals>> {
  const sums = new Map<string, RecordingTotals>();
  if (sessionIds.length === 0) return sums;
  for (const part of await store.totals(executor, sessionIds)) {
    const sum = sums.get(part.sessionId) ?? { count: 0, durationS: 0 };
    sums.set(part.sessionId, {
      count: sum.count + part.count,
      durationS: sum.durationS + part.durationS,
    });
  }
  return sums;
}
