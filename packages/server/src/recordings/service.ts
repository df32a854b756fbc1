import type { Readable } from 'node:stream';
import type { AudioType, Recording } from '@holdfast/protocol';
import { notFound } from '../auth/index.ts';
import { HoldfastError } from '../kernel/index.ts';
import type { ByteRange } from '../platform/blobs/index.ts';
import type { Executor, Trx } from '../platform/database/index.ts';
import type { Subject } from '../platform/log/index.ts';
import { authorizeTarget, type Caller } from '../work/index.ts';
import type { RecordingsDeps } from './deps.ts';
import { presentDigests, presentRecording } from './present.ts';
import { openPrivate } from './private.ts';
import { hide, hideAgain, purge, purgeRow, retire } from './removal.ts';
import * as store from './store.ts';
import { createUploads, type Uploads } from './uploads.ts';

/** A client secret uploads no more to a session that has so many recordings. */
export const RECORDINGS_BY_SECRET_MAX = 100;
/** How long a signed playback link stays readable. */
export const SIGNED_URL_TTL_S = 3600;

interface RecordingTotals {
  readonly count: number;
  readonly durationS: number;
}

interface SessionRecordings {
  readonly recordings: Recording[];
  readonly hasMore: boolean;
  readonly totals: readonly store.TypeTotals[];
}

export interface Recordings {
  readonly uploadMaxBytes: number;
  /** Who may upload to a session, decided before a byte is read. */
  uploadTarget(caller: Caller, sessionId: string): Promise<Subject>;
  readonly uploads: Uploads;
  list(
    caller: Caller,
    query: { sessionId: string; audioType?: AudioType | undefined; limit: number; offset: number },
  ): Promise<SessionRecordings>;
  get(caller: Caller, id: string): Promise<Recording>;
  /**
   * Notes an access to a blob by its link; one that is no complete recording is left alone. Never
   * rejects.
   */
  noteRead(blobKey: string): void;
  /** Opens the audio and notes the access; the caller consumes or destroys the body. */
  play(
    caller: Caller,
    id: string,
    range: (sizeBytes: number) => ByteRange | undefined,
  ): Promise<Playback>;
  /** Hides it at once; a blob that cannot be deleted now is left to the sweep. */
  delete(caller: Caller, id: string): Promise<void>;
  /** For a session's view: complete recordings of each session. */
  totals(executor: Executor, sessionIds: readonly string[]): Promise<Map<string, RecordingTotals>>;
  /** Marks everything of a session for deletion; call `purge` after the commit. */
  eraseSession(trx: Trx, sessionId: string): Promise<void>;
  /** Marks complete recordings past their retention, a bounded number at a time. */
  retire(retentionDays: number): Promise<void>;
  /** Hides again what a restored backup brought back; before anything is served. */
  hideAgain(): Promise<void>;
  /** Deletes marked blobs and rows; answers how many it took up, `PURGE_BATCH` at most. */
  purge(): Promise<number>;
}

interface Playback {
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly fileName: string;
  readonly range: ByteRange | undefined;
  readonly etag: string;
  readonly body: Readable;
}

export function createRecordings(deps: RecordingsDeps): Recordings {
  /** Blobs whose reading is being noted: the readers of one share a statement. */
  const noting = new Set<string>();
  return {
    uploadMaxBytes: deps.uploadMaxBytes,
    uploads: createUploads(deps),
    async uploadTarget(caller, sessionId) {
      const session = await accessSession(deps, 'recordings.write', caller, sessionId);
      if (caller.principal.kind === 'client_secret') await checkRoom(deps, sessionId);
      return session;
    },
    list: (caller, query) => list(deps, caller, query),
    get: async (caller, id) => {
      const row = await accessRecording(deps, 'recordings.read', caller, id);
      return presentRecording(row, await openPrivate(deps, row));
    },
    noteRead(blobKey) {
      if (noting.has(blobKey)) return;
      noting.add(blobKey);
      store
        .touch(deps.database.db, { blob_key: blobKey })
        .catch(error => deps.telemetry.log.warn('recording.read_not_noted', { error }))
        .finally(() => noting.delete(blobKey));
    },
    play: (caller, id, range) => play(deps, caller, id, range),
    async delete(caller, id) {
      const row = await accessRecording(deps, 'recordings.delete', caller, id);
      await hide(deps, row, caller.principal.id);
      await purgeRow(deps, row);
    },
    totals: sumBySession,
    eraseSession: (trx, sessionId) => store.markSessionDeleting(trx, sessionId),
    retire: retentionDays => retire(deps, retentionDays),
    hideAgain: () => hideAgain(deps),
    purge: () => purge(deps),
  };
}

type RecordingPolicy = 'recordings.read' | 'recordings.write' | 'recordings.delete';

/** The session, if the caller may act on its recordings. */
async function accessSession(
  deps: RecordingsDeps,
  policy: RecordingPolicy,
  caller: Caller,
  sessionId: string,
): Promise<Subject> {
  const session = await findSession(deps, sessionId);
  const target = await targetOf(deps, caller, session);
  await authorizeTarget(deps, caller, target, { policy, target: sessionId });
  return session;
}

/** The session as the policies see it: a client secret owns what it opened itself. */
async function targetOf(deps: RecordingsDeps, { principal }: Caller, session: Subject) {
  if (principal.kind !== 'client_secret') return session;
  return { ...session, secretId: await deps.sessions.secretOf(deps.database.db, session.id) };
}

/** The same for one complete recording. */
async function accessRecording(
  deps: RecordingsDeps,
  policy: RecordingPolicy,
  caller: Caller,
  id: string,
): Promise<store.RecordingRow> {
  const row = await store.find(deps.database.db, id);
  if (row === undefined || row.state !== 'complete') throw notFound();
  const session = await findSession(deps, row.session_id);
  const target = await targetOf(deps, caller, session);
  await authorizeTarget(deps, caller, target, { policy, target: id });
  return row;
}

/** Browsers are given client secrets, which may get lost. */
async function checkRoom(deps: RecordingsDeps, sessionId: string): Promise<void> {
  const totals = await sumBySession(deps.database.db, [sessionId]);
  if ((totals.get(sessionId)?.count ?? 0) < RECORDINGS_BY_SECRET_MAX) return;
  const most = RECORDINGS_BY_SECRET_MAX;
  const detail = `A client secret may upload to a session until it has ${most} recordings.`;
  throw new HoldfastError('conflict', detail);
}

async function findSession(deps: RecordingsDeps, sessionId: string): Promise<Subject> {
  const subject = await deps.log.subject(deps.database.db, sessionId);
  if (subject === null || subject.kind !== 'session' || subject.erasedAt !== null) throw notFound();
  return subject;
}

async function list(
  deps: RecordingsDeps,
  caller: Caller,
  query: { sessionId: string; audioType?: AudioType | undefined; limit: number; offset: number },
): Promise<SessionRecordings> {
  await accessSession(deps, 'recordings.read', caller, query.sessionId);
  const { db } = deps.database;
  // One row more than the page holds shows whether there is a next page.
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
  caller: Caller,
  id: string,
  chooseRange: (sizeBytes: number) => ByteRange | undefined,
): Promise<Playback> {
  const row = await accessRecording(deps, 'recordings.read', caller, id);
  const range = chooseRange(row.size_bytes);
  const blob = await deps.blobs.get(row.blob_key, range);
  if (blob === null) throw await faultOfMissing(deps, id);
  try {
    await store.touch(deps.database.db, { id });
  } catch (error) {
    // The body holds a file or a connection until it is consumed or destroyed.
    blob.body.destroy();
    throw error;
  }
  return {
    contentType: row.content_type,
    sizeBytes: row.size_bytes,
    fileName: row.blob_key.slice(row.blob_key.lastIndexOf('/') + 1),
    range,
    etag: `"${presentDigests(row).sha256}"`,
    body: blob.body,
  };
}

/** The error for a missing blob: the recording was deleted meanwhile, or its blob is lost. */
async function faultOfMissing(deps: RecordingsDeps, id: string): Promise<HoldfastError> {
  const row = await store.find(deps.database.db, id);
  if (row?.state !== 'complete') return notFound();
  deps.telemetry.log.alert('recording.blob_missing', { recording_id: id });
  return new HoldfastError('unavailable', 'The audio of this recording cannot be read now.');
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
