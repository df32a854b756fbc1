/**
 * Databases for tests, with all migrations applied. Three ways in:
 *
 * 1. `forEachDatabase((name, open) => { … })` runs a suite on both adapters. `open()` gives a fresh
 *    migrated database each time; it is closed (and dropped) after the suite. Open once in
 *    `beforeAll` and give each test rows of its own where you can: opening costs a third of a
 *    second and some 200 MB on PGlite, a tenth of a second on PostgreSQL.
 *
 *        forEachDatabase((name, open) => {
 *          let database: Database;
 *          beforeAll(async () => {
 *            database = await open();
 *          });
 *          it('appends', async () => { … });
 *        });
 *
 * 2. `openTestDatabase()` is one PGlite in memory, for tests that need some database. The caller
 *    closes it. With `dataDir` its files are real.
 *
 * 3. `createTestDatabase()` is one database on the run's PostgreSQL, by URL: for races between two
 *    processes (`openPostgres({ url })` twice) and for whole servers (`DATABASE_URL`). The caller
 *    drops it.
 *
 * The migrated state is made once: as a PGlite dump in `.cache/`, named by the migrations'
 * fingerprint, and as a template database on the run's PostgreSQL.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, describe } from 'vitest';
import { sharedPostgres } from '../../../../../tools/services/shared.ts';
import type { Database } from './database.ts';
import { fingerprint, migrate } from './migrate.ts';
import { openPglite, type PgliteDatabase, type PgliteOptions } from './pglite/open.ts';
import { openPostgres } from './postgres/open.ts';

/** The server's own migrations. */
export const MIGRATIONS_DIR = fileURLToPath(new URL('../../../migrations', import.meta.url));
const CACHE_DIR = fileURLToPath(new URL('../../../../../.cache', import.meta.url));
const CACHE_KEPT_MS = 15 * 60 * 1000;
const TEST_POOL_SIZE = 4;

export type OpenDatabase = () => Promise<Database>;

/** Declares `suite` once per adapter. */
export function forEachDatabase(suite: (name: string, open: OpenDatabase) => void): void {
  const adapters = { PGlite: openTestDatabase, PostgreSQL: openTestPostgres };
  for (const [name, openOne] of Object.entries(adapters)) {
    describe(name, () => {
      const opened: Database[] = [];
      afterAll(async () => {
        await Promise.all(opened.map(database => database.close()));
      });
      suite(name, async () => {
        const database = await openOne();
        opened.push(database);
        return database;
      });
    });
  }
}

/** A migrated PGlite; in memory, or in `dataDir` where that is given and still empty. */
export async function openTestDatabase(
  options: Omit<PgliteOptions, 'dumpFile'> = {},
): Promise<PgliteDatabase> {
  return openPglite({ ...options, dumpFile: await migratedDump() });
}

export interface TestPostgresDatabase {
  readonly url: string;
  /** Cuts off whoever is still connected. */
  drop(): Promise<void>;
}

/** A migrated database of its own on the run's PostgreSQL. */
export async function createTestDatabase(): Promise<TestPostgresDatabase> {
  const { url: adminUrl } = await sharedPostgres();
  const template = await migratedTemplate(adminUrl);
  const name = `test_${randomBytes(8).toString('hex')}`;
  await withAdmin(adminUrl, admin => admin.query(`create database ${name} template ${template}`));
  return {
    url: urlOf(adminUrl, name),
    async drop() {
      await withAdmin(adminUrl, admin =>
        admin.query(`drop database if exists ${name} with (force)`),
      );
    },
  };
}

async function openTestPostgres(): Promise<Database> {
  const { url, drop } = await createTestDatabase();
  const database = await openPostgres({ url, poolSize: 0, maxOverflow: TEST_POOL_SIZE });
  const close = database.close.bind(database);
  return Object.assign(database, {
    async close() {
      await close();
      await drop();
    },
  });
}

async function migratedDump(): Promise<string> {
  const name = `pglite-${pgliteVersion()}-${(await fingerprint(MIGRATIONS_DIR)).slice(0, 16)}.tar`;
  const file = join(CACHE_DIR, name);
  if (existsSync(file)) return file;
  const database = await openPglite();
  try {
    await migrate(database, MIGRATIONS_DIR);
    await mkdir(CACHE_DIR, { recursive: true });
    await removeOldDumps();
    // Several test processes may do this at once; each renames a whole file into place.
    const draft = `${file}.${randomBytes(4).toString('hex')}`;
    await writeFile(draft, await database.lite.dump());
    await rename(draft, file);
    return file;
  } finally {
    await database.close();
  }
}

/** A dump fits only the version that wrote it. The package does not export its manifest. */
function pgliteVersion(): string {
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  const manifest = readFileSync(join(dirname(entry), '../package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

async function removeOldDumps(): Promise<void> {
  for (const name of await readdir(CACHE_DIR)) {
    if (!name.startsWith('pglite-')) continue;
    const file = join(CACHE_DIR, name);
    const ageMs = Date.now() - (await stat(file).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (ageMs > CACHE_KEPT_MS) await rm(file, { force: true });
  }
}

async function migratedTemplate(adminUrl: string): Promise<string> {
  const name = `template_${(await fingerprint(MIGRATIONS_DIR)).slice(0, 16)}`;
  await withAdmin(adminUrl, async admin => {
    await admin.query("select pg_advisory_lock(hashtext('migrated template'))");
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [name]);
    if (rowCount) return;
    const draft = `draft_${randomBytes(8).toString('hex')}`;
    await admin.query(`create database ${draft}`);
    const database = await openPostgres({ url: urlOf(adminUrl, draft), poolSize: 1 });
    try {
      await migrate(database, MIGRATIONS_DIR);
    } finally {
      await database.close();
    }
    await admin.query(`alter database ${draft} rename to ${name}`);
  });
  return name;
}

async function withAdmin(url: string, work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.end();
  }
}

function urlOf(adminUrl: string, name: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}
