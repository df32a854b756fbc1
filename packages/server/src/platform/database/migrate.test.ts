import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Database } from './database.ts';
import { migrate } from './migrate.ts';
import { openPostgres } from './postgres/open.ts';
import { createTestDatabase, forEachPostgres, MIGRATIONS_DIR } from './testing.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'holdfast-migrations-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
}

/** Takes back what the server's own migrations did. */
async function empty(database: Database): Promise<void> {
  await sql`drop schema public cascade`.execute(database.db);
  await sql`create schema public`.execute(database.db);
}

forEachPostgres((_name, open) => {
  let database: Database;
  beforeAll(async () => {
    database = await open();
  });
  beforeEach(() => empty(database));

  const count = async (table: string) => {
    const { rows } = await sql<{ n: number }>`
      select count(*) as n from ${sql.table(table)}`.execute(database.db);
    return rows[0]?.n;
  };

  it('runs each file once, in order, however many statements it has', async () => {
    write({
      '0001-one.sql': 'create table one (id int); insert into one values (1);',
      '0002-two.sql': '-- a comment; with a semicolon\ncreate table two as select * from one;',
    });
    const report = await migrate(database, dir);
    expect(report).toEqual({ applied: ['0001-one.sql', '0002-two.sql'], unknown: [] });
    expect(await count('two')).toBe(1);
    write({ '0003-three.sql': 'insert into two values (2)' });
    expect((await migrate(database, dir)).applied).toEqual(['0003-three.sql']);
    expect((await migrate(database, dir)).applied).toEqual([]);
    expect(await count('two')).toBe(2);
  });

  it('keeps what ran before a failing file, nothing of that file, and resumes later', async () => {
    write({
      '0001-one.sql': 'create table one (id int)',
      '0002-two.sql': 'insert into one values (1); select nonsense',
    });
    await expect(migrate(database, dir)).rejects.toMatchObject({ code: '42703' });
    expect(await count('one')).toBe(0);
    write({ '0002-two.sql': 'insert into one values (1)' });
    expect((await migrate(database, dir)).applied).toEqual(['0002-two.sql']);
    expect(await count('one')).toBe(1);
  });

  it('refuses a file that changed after it ran; line endings do not count', async () => {
    write({ '0001-one.sql': 'create table one (id int);\n' });
    await migrate(database, dir);
    write({ '0001-one.sql': 'create table one (id int);\r\n' });
    expect((await migrate(database, dir)).applied).toEqual([]);
    write({ '0001-one.sql': 'create table one (id bigint);\n' });
    await expect(migrate(database, dir)).rejects.toThrow(/0001-one\.sql was changed/);
  });

  it('serves a database that is newer, and reports what it does not know', async () => {
    write({ '0001-one.sql': 'create table one (id int)', '0002-new.sql': 'select 1' });
    await migrate(database, dir);
    rmSync(join(dir, '0002-new.sql'));
    expect(await migrate(database, dir)).toEqual({ applied: [], unknown: ['0002-new.sql'] });
  });

  it('refuses a history that does not fit its files', async () => {
    write({ '0001-one.sql': 'select 1', '0002-two.sql': 'select 2' });
    await migrate(database, dir);
    await sql`delete from schema_migrations where number = 1`.execute(database.db);
    await expect(migrate(database, dir)).rejects.toThrow(/0001-one\.sql is older/);
  });
});

it('refuses misnamed files, gaps and equal numbers before it runs anything', async () => {
  const database = { transaction: () => Promise.reject(new Error('it ran')) };
  const attempt = () => migrate(database as unknown as Database, dir);
  write({ '0001-one.sql': '', '0003-three.sql': '' });
  await expect(attempt()).rejects.toThrow(/0002 is missing/);
  write({ '0002-two.sql': '', '0003-again.sql': '' });
  await expect(attempt()).rejects.toThrow(/0003/);
  rmSync(join(dir, '0003-again.sql'));
  write({ 'four.sql': '' });
  await expect(attempt()).rejects.toThrow(/four\.sql/);
  rmSync(join(dir, 'four.sql'));
  await expect(attempt()).rejects.toThrow('it ran');
});

it('lets several processes start at once: each file runs once', async () => {
  const own = await createTestDatabase();
  const databases: Database[] = [];
  try {
    for (let i = 0; i < 4; i += 1)
      databases.push(await openPostgres({ url: own.url, poolSize: 1 }));
    await empty(databases[0]!);
    write({
      '0001-one.sql': 'create table one (id int); select pg_sleep(0.05)',
      '0002-two.sql': 'insert into one values (1); select pg_sleep(0.05)',
      '0003-three.sql': 'insert into one values (2)',
    });
    const reports = await Promise.all(databases.map(database => migrate(database, dir)));
    expect(reports.flatMap(report => report.applied).toSorted()).toEqual([
      '0001-one.sql',
      '0002-two.sql',
      '0003-three.sql',
    ]);
    const { rows } = await sql`select id from one order by id`.execute(databases[0]!.db);
    expect(rows).toEqual([{ id: 1 }, { id: 2 }]);
  } finally {
    await Promise.all(databases.map(database => database.close()));
    await own.drop();
  }
});

it('brings a new PostgreSQL up to date with the server’s own migrations', async () => {
  const own = await createTestDatabase();
  const database = await openPostgres({ url: own.url, poolSize: 1 });
  await empty(database);
  const { applied } = await migrate(database, MIGRATIONS_DIR);
  expect(applied.length).toBeGreaterThan(0);
  expect(await migrate(database, MIGRATIONS_DIR)).toEqual({ applied: [], unknown: [] });
  await database.close();
  await own.drop();
});
