import type { AudioType, MeasuredAudio } from '@holdfast/protocol';
import { type ColumnType, type Generated, type Selectable, sql } from 'kysely';
import type { Executor } from '../platform/database/index.ts';
import type { RecordingState } from './recording.ts';

interface RecordingsTable {
  id: string;
  session_id: string;
  audio_type: AudioType;
  state: RecordingState;
  blob_key: string;
  content_type: string;
  size_bytes: number;
  /** Of the stored bytes. */
  sha256: string;
  /** Null in rows from before: what is stored was sent so. */
  sent_sha256: string | null;
  /** See `uploadKey`. Null in rows from before: `sha256` told an upload from others. */
  upload_key: string | null;
  metadata: ColumnType<Record<string, unknown>, string, string>;
  private_key_id: string | null;
  private_data: Uint8Array | null;
  container: string;
  codec: string;
  duration_s: number;
  sample_rate: number;
  channels: number;
  header_duration_s: number | null;
  truncated: Generated<boolean>;
  uploaded_by: string;
  created_at: Generated<Date>;
  completed_at: Date | null;
  last_accessed: Date | null;
  /**
   * Pending: until when its upload waits for room in its replica's spool. Deleting: until when a
   * blob that could not be deleted is left alone.
   */
  kept_until: Date | null;
}
type Tables = { recordings: RecordingsTable };
export type RecordingRow = Selectable<RecordingsTable>;

export interface NewRecording {
  readonly id: string;
  readonly sessionId: string;
  readonly audioType: AudioType;
  readonly blobKey: string;
  readonly contentType: string;
  readonly sizeBytes: number;
  readonly uploadKey: string;
  readonly storedSha256: string;
  readonly sentSha256: string;
  readonly metadata: Record<string, unknown>;
  readonly private: { keyId: string; ciphertext: Uint8Array } | null;
  readonly measured: MeasuredAudio;
  readonly uploadedBy: string;
}

const tables = (executor: Executor) => executor.withTables<Tables>();

/**
 * Inserts a pending row, or returns the existing row of the same upload: one that is tried again
 * continues the first one.
 */
export async function insertPending(
  executor: Executor,
  recording: NewRecording,
): Promise<{ row: RecordingRow; inserted: boolean }> {
  const { measured } = recording;
  const inserted = await tables(executor)
    .insertInto('recordings')
    .values({
      id: recording.id,
      session_id: recording.sessionId,
      audio_type: recording.audioType,
      state: 'pending',
      blob_key: recording.blobKey,
      content_type: recording.contentType,
      size_bytes: recording.sizeBytes,
      sha256: recording.storedSha256,
      sent_sha256: recording.sentSha256,
      upload_key: recording.uploadKey,
      metadata: JSON.stringify(recording.metadata),
      private_key_id: recording.private?.keyId ?? null,
      private_data: recording.private?.ciphertext ?? null,
      container: measured.container,
      codec: measured.codec,
      duration_s: measured.duration_s,
      sample_rate: measured.sample_rate,
      channels: measured.channels,
      header_duration_s: measured.header_duration_s,
      truncated: measured.truncated,
      uploaded_by: recording.uploadedBy,
    })
    .onConflict(conflict =>
      conflict.columns(['session_id', 'audio_type', 'upload_key']).doNothing(),
    )
    .returningAll()
    .executeTakeFirst();
  if (inserted) return { row: inserted, inserted: true };
  const row = await tables(executor)
    .selectFrom('recordings')
    .selectAll()
    .where('session_id', '=', recording.sessionId)
    .where('audio_type', '=', recording.audioType)
    .where('upload_key', '=', recording.uploadKey)
    .executeTakeFirstOrThrow();
  return { row, inserted: false };
}

/** The row of these bytes and of what is said of them, where it has no `upload_key` yet. */
export function findUnkeyed(
  executor: Executor,
  upload: Pick<NewRecording, 'sessionId' | 'audioType' | 'sentSha256' | 'metadata'>,
): Promise<RecordingRow | undefined> {
  return tables(executor)
    .selectFrom('recordings')
    .selectAll()
    .where('session_id', '=', upload.sessionId)
    .where('audio_type', '=', upload.audioType)
    .where('upload_key', 'is', null)
    .where('sha256', '=', upload.sentSha256)
    .where('metadata', '=', sql<Record<string, unknown>>`${JSON.stringify(upload.metadata)}::jsonb`)
    .executeTakeFirst();
}

/** Turns pending into complete; undefined when it was complete already or is gone. */
export function markComplete(executor: Executor, id: string): Promise<RecordingRow | undefined> {
  return tables(executor)
    .updateTable('recordings')
    .set({ state: 'complete', completed_at: sql<Date>`now()`, kept_until: null })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .returningAll()
    .executeTakeFirst();
}

/** Lets a pending row wait; a row that waits already keeps its deadline. */
export async function keepPending(executor: Executor, id: string, keepS: number): Promise<void> {
  await tables(executor)
    .updateTable('recordings')
    .set({
      kept_until: sql<Date>`coalesce(kept_until, now() + make_interval(secs => ${keepS}))`,
    })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .execute();
}

export function find(executor: Executor, id: string): Promise<RecordingRow | undefined> {
  return tables(executor)
    .selectFrom('recordings')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();
}

export function listComplete(
  executor: Executor,
  query: { sessionId: string; audioType?: AudioType | undefined; limit: number; offset: number },
): Promise<RecordingRow[]> {
  let rows = tables(executor)
    .selectFrom('recordings')
    .selectAll()
    .where('session_id', '=', query.sessionId)
    .where('state', '=', 'complete');
  if (query.audioType) rows = rows.where('audio_type', '=', query.audioType);
  return rows.orderBy('created_at').orderBy('id').limit(query.limit).offset(query.offset).execute();
}

export interface TypeTotals {
  readonly sessionId: string;
  readonly audioType: AudioType;
  readonly count: number;
  readonly durationS: number;
  readonly sizeBytes: number;
}

/** Counts and sums of complete recordings, by session and type. */
export function totals(executor: Executor, sessionIds: readonly string[]): Promise<TypeTotals[]> {
  return tables(executor)
    .selectFrom('recordings')
    .where('session_id', 'in', [...sessionIds])
    .where('state', '=', 'complete')
    .groupBy(['session_id', 'audio_type'])
    .select(({ fn }) => [
      'session_id as sessionId',
      'audio_type as audioType',
      fn.countAll<number>().as('count'),
      fn.sum<number>('duration_s').as('durationS'),
      sql<number>`sum(size_bytes)::float8`.as('sizeBytes'),
    ])
    .execute();
}

/** Notes an access, at most once a minute so that playback does not write for every range. */
export async function touch(
  executor: Executor,
  recording: { id: string } | { blob_key: string },
): Promise<void> {
  await tables(executor)
    .updateTable('recordings')
    .set({ last_accessed: sql<Date>`now()` })
    .where(eb => eb.and(recording))
    .where('state', '=', 'complete')
    .where(eb =>
      eb.or([
        eb('last_accessed', 'is', null),
        eb('last_accessed', '<', sql<Date>`now() - interval '1 minute'`),
      ]),
    )
    .execute();
}

/** Makes a complete row invisible; undefined when there is none. */
export function markDeleting(executor: Executor, id: string): Promise<RecordingRow | undefined> {
  return tables(executor)
    .updateTable('recordings')
    .set({ state: 'deleting', kept_until: null })
    .where('id', '=', id)
    .where('state', '=', 'complete')
    .returningAll()
    .executeTakeFirst();
}

/** Gives up a pending row whose session is erased; a row completed meanwhile is left alone. */
export async function markAbandoned(executor: Executor, id: string): Promise<void> {
  await tables(executor)
    .updateTable('recordings')
    .set({ state: 'deleting', kept_until: null })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .execute();
}

/** Marks everything of a session, pending uploads too, for deletion. */
export async function markSessionDeleting(executor: Executor, sessionId: string): Promise<void> {
  await tables(executor)
    .updateTable('recordings')
    .set({ state: 'deleting', kept_until: null })
    .where('session_id', '=', sessionId)
    .execute();
}

/** Leaves a marked row out of `deleting` for a while. */
export async function postponePurge(executor: Executor, id: string, retryS: number): Promise<void> {
  await tables(executor)
    .updateTable('recordings')
    .set({ kept_until: sql<Date>`now() + make_interval(secs => ${retryS})` })
    .where('id', '=', id)
    .where('state', '=', 'deleting')
    .execute();
}

/** Removes the row of a blob that is gone. */
export async function removeDeleted(executor: Executor, id: string): Promise<void> {
  await tables(executor)
    .deleteFrom('recordings')
    .where('id', '=', id)
    .where('state', '=', 'deleting')
    .execute();
}

/** Marks pending rows that no upload can still work on and that do not wait for room. */
export async function abandonOld(executor: Executor, olderThanS: number): Promise<void> {
  await tables(executor)
    .updateTable('recordings')
    .set({ state: 'deleting', kept_until: null })
    .where('state', '=', 'pending')
    .where('created_at', '<', sql<Date>`now() - make_interval(secs => ${olderThanS})`)
    .where(eb => eb.or([eb('kept_until', 'is', null), eb('kept_until', '<', sql<Date>`now()`)]))
    .execute();
}

/** Rows whose blobs are to be removed now. */
export function deleting(executor: Executor, limit: number): Promise<RecordingRow[]> {
  return tables(executor)
    .selectFrom('recordings')
    .selectAll()
    .where('state', '=', 'deleting')
    .where(eb => eb.or([eb('kept_until', 'is', null), eb('kept_until', '<', sql<Date>`now()`)]))
    .orderBy('created_at')
    .limit(limit)
    .execute();
}

/** Complete rows that the keys mark as erased: a restored backup of the data contained them. */
export async function broughtBack(executor: Executor, limit: number): Promise<RecordingRow[]> {
  const { rows } = await sql<RecordingRow>`
    select recordings.* from recordings
    join subject_keys on subject_keys.subject = recordings.id
    where subject_keys.erased_at is not null and recordings.state = 'complete'
    limit ${limit}`.execute(executor);
  return rows;
}

/** Complete rows past their retention. */
export function outdated(
  executor: Executor,
  olderThanDays: number,
  limit: number,
): Promise<RecordingRow[]> {
  return tables(executor)
    .selectFrom('recordings')
    .selectAll()
    .where('state', '=', 'complete')
    .where('completed_at', '<', sql<Date>`now() - make_interval(days => ${olderThanDays})`)
    .orderBy('completed_at')
    .limit(limit)
    .execute();
}
