/** The embedded database: its folder, and what is left after each way in which a process ends. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openPostgres } from '../postgres/open.ts';
import { stopOrphan } from './folder-lock.ts';
import { type EmbeddedDatabase, openEmbeddedDatabase } from './open.ts';
import { Committer, databaseProcesses, serverOf } from './testing.ts';

const WAIT = { timeout: 60_000, interval: 20 };
/** Each makes a database, which takes many seconds on a busy machine. */
const TIMEOUT_MS = 180_000;
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

let folder: string;
let dataDir: string;
let clusterDir: string;
let committers: Committer[];
const warned: string[] = [];
const log = {
  info: () => {},
  warn: (event: string) => void warned.push(event),
  error: (event: string) => void warned.push(event),
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-embedded-'));
  dataDir = join(folder, 'data');
  clusterDir = join(dataDir, 'postgres-18');
  committers = [];
  warned.length = 0;
});

afterEach(async () => {
  await Promise.all(committers.map(committer => committer.signal('SIGKILL')));
  await gone();
  rmSync(folder, { recursive: true, force: true });
});

const gone = () => vi.waitFor(() => expect(databaseProcesses(dataDir)).toEqual([]), WAIT);

function start(args: string[] = [], prefix: string[] = []): Committer {
  const committer = new Committer([dataDir, ...args], prefix);
  committers.push(committer);
  return committer;
}

async function rowsOf(database: EmbeddedDatabase): Promise<number[]> {
  const pool = await openPostgres({ url: database.url, poolSize: 1 });
  try {
    const query = sql<{ id: number }>`select id from acks order by id`;
    return (await query.execute(pool.db)).rows.map(row => row.id);
  } finally {
    await pool.close();
  }
}

async function readRows(): Promise<number[]> {
  const database = await openEmbeddedDatabase({ dataDir, log, sync: false });
  try {
    return await rowsOf(database);
  } finally {
    await database.close();
  }
}

/** One row more than was acknowledged may be there: its acknowledgement was lost. */
function expectRows(rows: readonly number[], acknowledged: number): void {
  expect(rows).toEqual(Array.from(rows, (_, index) => index + 1));
  expect(rows.length - acknowledged).toBeGreaterThanOrEqual(0);
  expect(rows.length - acknowledged).toBeLessThanOrEqual(1);
}

it('is made, closed and opened again, for its owner only, and leaves no process', async () => {
  const database = await openEmbeddedDatabase({ dataDir, log });
  const pool = await openPostgres({ url: database.url, poolSize: 1 });
  const { rows } = await sql<Record<string, unknown>>`
    select current_setting('fsync') as fsync, current_setting('listen_addresses') as port,
      current_setting('max_connections')::int as connections,
      (select datlocale from pg_database where datname = 'postgres') as locale`.execute(pool.db);
  expect(rows).toEqual([{ fsync: 'on', port: '', connections: 82, locale: 'C.UTF-8' }]);
  await sql`create table acks (id integer primary key)`.execute(pool.db);
  await sql`insert into acks values (1)`.execute(pool.db);
  for (const path of [dataDir, clusterDir, join(dataDir, 'socket')]) {
    expect(statSync(path).mode & 0o777).toBe(0o700);
  }
  await pool.close();
  await database.close();
  await database.close();
  expect(databaseProcesses(dataDir)).toEqual([]);
  expect(await readRows()).toEqual([1]);
});

it('makes folders private again that were copied with a wider mode', async () => {
  const socketDir = join(dataDir, 'socket');
  await (await openEmbeddedDatabase({ dataDir, log, sync: false })).close();
  chmodSync(clusterDir, 0o755);
  mkdirSync(socketDir);
  chmodSync(socketDir, 0o777);
  const database = await openEmbeddedDatabase({ dataDir, log, sync: false });
  for (const path of [clusterDir, socketDir]) expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(warned).toEqual(['database.folder_made_private', 'database.folder_made_private']);
  await database.close();
});

it('takes a folder whose path is too long for a socket', async () => {
  dataDir = join(folder, 'a'.repeat(100), 'b'.repeat(100));
  const database = await openEmbeddedDatabase({ dataDir, log, sync: false });
  const socketDir = new URL(database.url).searchParams.get('host')!;
  expect(socketDir.startsWith(tmpdir())).toBe(true);
  expect(statSync(socketDir).mode & 0o777).toBe(0o700);
  const pool = await openPostgres({ url: database.url, poolSize: 1 });
  await pool.ping(5_000);
  await pool.close();
  await database.close();
  expect(existsSync(socketDir)).toBe(false);
});

it('ignores variables that are meant for another database', async () => {
  const foreign = {
    PGHOST: '/nonexistent',
    PGPORT: '1234',
    PGUSER: 'foreign',
    PGPASSWORD: 'foreign',
    PGDATABASE: 'foreign',
    PGOPTIONS: '-c search_path=foreign -c statement_timeout=1',
    PGSSLMODE: 'require',
    PGSSLNEGOTIATION: 'direct',
    PGCLIENTENCODING: 'SJIS',
    PGCLIENT_ENCODING: 'SJIS',
    PGDATA: '/nonexistent',
    PGTZ: 'Asia/Tokyo',
    PGREPLICATION: 'database',
    LC_ALL: 'xx_YY.UTF-8',
    LANGUAGE: 'ja',
  };
  for (const [name, value] of Object.entries(foreign)) vi.stubEnv(name, value);
  try {
    const database = await openEmbeddedDatabase({ dataDir, log, sync: false });
    const pool = await openPostgres({ url: database.url, poolSize: 1 });
    const { rows } = await sql<Record<string, unknown>>`
      select current_user as user, current_setting('search_path') as path,
        current_setting('client_encoding') as encoding,
        current_setting('TimeZone') as zone`.execute(pool.db);
    expect(rows).toEqual([{ user: 'holdfast', path: 'public', encoding: 'UTF8', zone: 'UTC' }]);
    await pool.close();
    await database.close();
  } finally {
    vi.unstubAllEnvs();
  }
});

describe(`through kill -9 (SEED=${seed})`, { timeout: TIMEOUT_MS }, () => {
  it('of the process that serves: keeps what was acknowledged, ends, opens again', async () => {
    let state = seed;
    for (let round = 1; round <= 3; round += 1) {
      state = (state * 48_271 + 11) % 2_147_483_647;
      const committer = start();
      await committer.open();
      await committer.acks(1 + (state % 100));
      await committer.signal('SIGKILL');
      expectRows(await readRows(), committer.acked);
      expect(databaseProcesses(dataDir)).toEqual([]);
    }
  });

  it('of everything at once', async () => {
    const committer = start();
    await committer.open();
    await committer.acks(20);
    const { server, guard } = serverOf(clusterDir);
    for (const pid of [committer.child.pid!, guard, server]) process.kill(pid, 'SIGKILL');
    await committer.ended;
    expectRows(await readRows(), committer.acked);
  });

  it.each(['server', 'guard', 'waiting'] as const)(
    'of the %s: it is started again',
    async victim => {
      const committer = start();
      await committer.open();
      await committer.acks(20);
      process.kill(serverOf(clusterDir)[victim], 'SIGKILL');
      await committer.next(line => line.event === 'database.ended');
      await committer.next(line => line.event === 'database.restarted');
      await committer.acks(20);
      expect(await committer.signal('SIGTERM')).toBe(0);
      expect(databaseProcesses(dataDir)).toEqual([]);
      expectRows(await readRows(), committer.acked);
    },
  );

  it('in the middle of its creation', async () => {
    const committer = start();
    await vi.waitFor(() => expect(readdirSync(`${clusterDir}.new`)).toContain('PG_VERSION'), {
      timeout: 60_000,
      interval: 1,
    });
    await committer.signal('SIGKILL');
    const database = await openEmbeddedDatabase({ dataDir, log, sync: false });
    await database.close();
    expect(existsSync(`${clusterDir}.new`)).toBe(false);
  });

  it('of one holder: the database ends with the last, and agents hold nothing', async () => {
    const committer = start(['held']);
    const { open: url } = await committer.open();
    const { holder, leaks } = await committer.next(line => line.holder !== undefined);
    expect(leaks).toBe(false);
    await committer.signal('SIGKILL');
    const pool = await openPostgres({ url: url!, poolSize: 1 });
    await pool.ping(5_000);
    await expect(openEmbeddedDatabase({ dataDir, log, sync: false })).rejects.toThrow(
      /another Holdfast server/,
    );
    await pool.ping(5_000);
    await pool.close();
    process.kill(holder!, 'SIGKILL');
    await gone();
  });
});

describe('a second server', { timeout: TIMEOUT_MS }, () => {
  it('is refused, naming the first, and gets the folder afterwards', async () => {
    const committer = start();
    await committer.open();
    const refused = await openEmbeddedDatabase({ dataDir, log, sync: false }).catch(error => error);
    expect(refused.message).toContain(`process ${committer.child.pid}`);
    expect(refused.message).toContain(dataDir);
    expect(refused.message).toContain('DATABASE_URL');
    await committer.acks(5);
    await committer.signal('SIGTERM');
    expectRows(await readRows(), committer.acked);
  });

  it('is refused in this process too, and from other namespaces', async () => {
    const database = await openEmbeddedDatabase({ dataDir, log, sync: false });
    await expect(openEmbeddedDatabase({ dataDir, log, sync: false })).rejects.toThrow(
      `process ${process.pid}`,
    );
    const elsewhere = ['--user', '--map-root-user', '--pid', '--ipc', '--mount', '--fork'];
    const second = start([], ['unshare', ...elsewhere]);
    expect(await second.ended).toBe(1);
    expect(second.errors).toContain('another Holdfast server');
    await database.close();
  });

  it('finds the process of a database by its folder and its start, and no other', async () => {
    const committer = start();
    await committer.open();
    await committer.acks(1);
    const file = join(clusterDir, 'postmaster.pid');
    const noted = readFileSync(file, 'utf8');
    const other = noted.split('\n');
    other[2] = String(Number(other[2]) - 60);
    writeFileSync(file, other.join('\n'));
    expect(stopOrphan(clusterDir, 'SIGINT')).toBe(false);
    writeFileSync(file, [String(process.pid), ...noted.split('\n').slice(1)].join('\n'));
    expect(stopOrphan(clusterDir, 'SIGINT')).toBe(false);
    writeFileSync(file, noted);
    expect(stopOrphan(clusterDir, 'SIGINT')).toBe(true);
    await committer.next(line => line.event === 'database.restarted');
  });

  it('waits for a database that was left by itself and hangs', async () => {
    const committer = start();
    await committer.open();
    await committer.acks(5);
    const { server, guard } = serverOf(clusterDir);
    // Its signals wait as long as it is stopped, so that it outlives its guard.
    process.kill(server, 'SIGSTOP');
    process.kill(guard, 'SIGKILL');
    await committer.signal('SIGKILL');
    setTimeout(() => process.kill(server, 'SIGCONT'), 500);
    expectRows(await readRows(), committer.acked);
    expect(warned).toContain('database.still_ending');
  });
});
