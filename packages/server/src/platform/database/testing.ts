/**
 * Databases for tests, with all migrations applied, each a database of its own on the run's
 * PostgreSQL:
 *
 * 1. `openTestDatabase()` opens one. The caller closes it, which drops it.
 *
 * 2. `createTestDatabase()` is one by URL: for races between two processes (`openPostgres({ url })`
 *    twice) and for whole servers (`DATABASE_URL`). The caller drops it.
 *
 * 3. `withDatabase(open => { … })` declares a suite whose databases are closed after it. Open once
 *    in `beforeAll` and give each test rows of its own where you can: opening costs 100 ms.
 *
 * 4. `forEachPostgres((version, open) => { … })` declares a suite once on the embedded version and
 *    once on the oldest that we promise: for what consists of SQL.
 *
 * The migrated state is made once per run, as a template database.
 */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, describe } from 'vitest';
import { sharedPostgres } from '../../../../../tools/services/shared.ts';
import type { Database } from './database.ts';
import { fingerprint, migrate } from './migrate.ts';
import { openPostgres, type PostgresOptions } from './postgres/open.ts';

/** The server's own migrations. */
export const MIGRATIONS_DIR = fileURLToPath(new URL('../../../migrations', import.meta.url));
const TEST_POOL_SIZE = 8;
const OLDEST = 15;

/** Its `close` drops it too. */
export type TestDatabase = Database & { readonly url: string };
export type OpenDatabase = () => Promise<TestDatabase>;

/** Declares `suite` once per version of PostgreSQL. */
export function forEachPostgres(suite: (version: string, open: OpenDatabase) => void): void {
  describe('embedded PostgreSQL', () => withDatabase(open => suite('embedded', open)));
  describe(`PostgreSQL ${OLDEST}`, () => {
    withDatabase(open => suite(`PostgreSQL ${OLDEST}`, open), OLDEST);
  });
}

/** Declares `suite`, with databases that are closed after it. */
export function withDatabase(suite: (open: OpenDatabase) => void, version?: typeof OLDEST): void {
  const opened: Database[] = [];
  afterAll(async () => {
    await Promise.all(opened.map(database => database.close()));
  });
  suite(async () => {
    const database = await openTestDatabase({}, version);
    opened.push(database);
    return database;
  });
}

export async function openTestDatabase(
  options: Partial<PostgresOptions> = {},
  version?: typeof OLDEST,
): Promise<TestDatabase> {
  const { url, drop } = await createTestDatabase(version);
  const own = { url, poolSize: 0, maxOverflow: TEST_POOL_SIZE };
  const database = await openPostgres({ ...own, ...options });
  const close = database.close.bind(database);
  let closing: Promise<void> | undefined;
  return Object.assign(database, {
    url,
    close() {
      closing ??= close().then(drop);
      return closing;
    },
  });
}

export interface TestPostgresDatabase {
  readonly url: string;
  /** Cuts off connections that are still open. */
  drop(): Promise<void>;
}

/** A migrated database of its own on the run's PostgreSQL. */
export async function createTestDatabase(version?: typeof OLDEST): Promise<TestPostgresDatabase> {
  const { url: adminUrl } = await sharedPostgres(version);
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
