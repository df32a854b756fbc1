import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { expect, it, onTestFinished } from 'vitest';
import { migrate } from '../platform/database/index.ts';
import { MIGRATIONS_DIR, openTestDatabase } from '../platform/database/testing.ts';

const LAST_WITHOUT_KEYS = '0020-charges.sql';

it('keeps recordings of the same bytes with other metadata when uploads get keys', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-upgrade-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  for (const name of await readdir(MIGRATIONS_DIR)) {
    if (name <= LAST_WITHOUT_KEYS) await copyFile(join(MIGRATIONS_DIR, name), join(dir, name));
  }
  const { db, ...database } = await openBefore(dir);
  await sql`insert into subjects (id, kind, project_id, created_by)
    values ('ses_1', 'session', 'default', 'ann')`.execute(db);
  const rows = [
    { id: 'old', sha256: 'digest', stored: null },
    { id: 'one', sha256: 'key 1', stored: 'digest' },
    { id: 'two', sha256: 'key 2', stored: 'digest' },
  ];
  for (const { id, sha256, stored } of rows) {
    await sql`insert into recordings (id, session_id, audio_type, state, blob_key, content_type,
        size_bytes, sha256, stored_sha256, metadata, container, codec, duration_s, sample_rate,
        channels, uploaded_by)
      values (${id}, 'ses_1', 'user_speech', 'complete', ${id}, 'audio/wav', 1, ${sha256},
        ${stored}, '{}', 'wav', 'pcm', 1, 8000, 1, 'ann')`.execute(db);
  }
  await database.migrateAll();
  const after = await sql`select id, sha256, upload_key from recordings order by id`.execute(db);
  expect(after.rows).toEqual([
    { id: 'old', sha256: 'digest', upload_key: null },
    { id: 'one', sha256: 'digest', upload_key: 'key 1' },
    { id: 'two', sha256: 'digest', upload_key: 'key 2' },
  ]);
});

/** A database on which only the migrations of `dir` ran. */
async function openBefore(dir: string) {
  const database = await openTestDatabase();
  onTestFinished(() => database.close());
  await sql`drop schema public cascade`.execute(database.db);
  await sql`create schema public`.execute(database.db);
  await migrate(database, dir);
  return { db: database.db, migrateAll: () => migrate(database, MIGRATIONS_DIR) };
}
