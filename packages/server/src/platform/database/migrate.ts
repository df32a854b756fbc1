/**
 * Brings the schema up to date: files `NNNN-name.sql`, numbered from 0001 without gaps, each run in
 * one transaction together with its bookkeeping row, under an advisory lock, so that several
 * processes may start at once.
 *
 * Migrations only expand or, a release later, contract: the revision before must run on the new
 * schema, because both serve at the same time during a rollout. Therefore a database that is newer
 * than our files is no error; it is reported. A file that changed after it ran is one.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import type { Database, Trx } from './database.ts';
import { runScript } from './driver.ts';

/** Also bounds the wait for another process that migrates. */
const MIGRATION_TIMEOUT_MS = 120_000;
/** Any number that nothing else locks; the same in all revisions. */
const ADVISORY_LOCK = 4_205_110_867;
const FILE = /^(\d{4})-[a-z0-9-]+\.sql$/;

export interface MigrationReport {
  /** File names, in order, that this call ran. */
  readonly applied: string[];
  /** Names in the database that are newer than our files. */
  readonly unknown: string[];
}

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly checksum: string;
  readonly script: string;
}

interface MigrationsTable {
  number: number;
  name: string;
  checksum: string;
}

type Tables = { schema_migrations: MigrationsTable };

/** Throws when a file changed after it ran, is missing, or is misnamed; nothing is run then. */
export async function migrate(database: Database, dir: string): Promise<MigrationReport> {
  const files = await readMigrations(dir);
  const applied: string[] = [];
  for (;;) {
    const step = await database.transaction(trx => runNext(trx, files), {
      timeoutMs: MIGRATION_TIMEOUT_MS,
    });
    if (step.ran === undefined) return { applied, unknown: step.unknown };
    applied.push(step.ran);
  }
}

/** The migrations of a folder as one number: equal schemas have equal fingerprints. */
export async function fingerprint(dir: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of await readMigrations(dir)) hash.update(`${file.name}:${file.checksum}\n`);
  return hash.digest('hex');
}

async function readMigrations(dir: string): Promise<Migration[]> {
  const names = (await readdir(dir)).filter(name => name.endsWith('.sql')).toSorted();
  const files = await Promise.all(names.map(name => readMigration(dir, name)));
  for (const [index, file] of files.entries()) {
    const expected = index + 1;
    if (file.number < expected) throw new Error(`two migrations have the number of ${file.name}`);
    if (file.number > expected) {
      throw new Error(`migration ${String(expected).padStart(4, '0')} is missing`);
    }
  }
  return files;
}

async function readMigration(dir: string, name: string): Promise<Migration> {
  const number = Number(FILE.exec(name)?.[1]);
  if (!number) throw new Error(`a migration is named NNNN-name.sql, not ${name}`);
  const script = (await readFile(join(dir, name), 'utf8')).replaceAll('\r\n', '\n');
  const checksum = createHash('sha256').update(script).digest('hex');
  return { number, name, checksum, script };
}

async function runNext(trx: Trx, files: readonly Migration[]) {
  await sql`select pg_advisory_xact_lock(${ADVISORY_LOCK}::bigint)`.execute(trx);
  const known = trx.withTables<Tables>();
  const done = await readDone(known);
  const unknown = checkHistory(files, done);
  const last = Math.max(0, ...done.map(row => row.number));
  const next = files.find(file => file.number > last);
  if (!next) return { unknown };
  await runScript(trx, next.script);
  const { number, name, checksum } = next;
  await known.insertInto('schema_migrations').values({ number, name, checksum }).execute();
  return { ran: name, unknown };
}

async function readDone(trx: Kysely<Tables>): Promise<MigrationsTable[]> {
  await sql`
    create table if not exists schema_migrations (
      number integer primary key,
      name text not null,
      checksum text not null,
      applied_at timestamptz not null default now()
    )`.execute(trx);
  return trx
    .selectFrom('schema_migrations')
    .select(['number', 'name', 'checksum'])
    .orderBy('number')
    .execute();
}

/** Throws unless what ran agrees with our files; answers what only the database has. */
function checkHistory(files: readonly Migration[], done: readonly MigrationsTable[]): string[] {
  const newest = files.at(-1)?.number ?? 0;
  for (const row of done) {
    if (row.number > newest) continue;
    const file = files.find(({ number }) => number === row.number);
    if (!file) throw new Error(`migration ${row.name} ran on this database but its file is gone`);
    if (file.checksum !== row.checksum) {
      throw new Error(`migration ${file.name} was changed after it ran: add a new one instead`);
    }
  }
  const last = done.at(-1)?.number ?? 0;
  const skipped = files.find(
    file => file.number < last && !done.some(({ number }) => number === file.number),
  );
  if (skipped) throw new Error(`migration ${skipped.name} is older than others that have run`);
  return done.filter(row => row.number > newest).map(row => row.name);
}
