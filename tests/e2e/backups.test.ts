/**
 * The commands of docs/guide/backups.md, run as they stand there on PostgreSQL 15: a restore reads
 * everything that was not erased, erases again what was, and once the backups of the keys from
 * before it have expired, nothing that is left opens the erased.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openPostgres } from '../../packages/server/src/platform/database/index.ts';
import { createTestDatabase } from '../../packages/server/src/platform/database/testing.ts';
import { findPostgresBinary } from '../../tools/services/binaries.ts';
import { sharedPostgres } from '../../tools/services/shared.ts';
import { type LocalApplication, startApplication } from './harness/application.ts';
import { startSimulatorProcess, UPSTREAM_KEY } from './harness/stacks.ts';
import { saySomething, uploadSomething } from './harness/words.ts';

const run = promisify(execFile);
const GUIDE = fileURLToPath(new URL('../../docs/guide/backups.md', import.meta.url));
const KEEP_KEYS_DAYS = 30;
const DAY_MS = 24 * 3600_000;
const OUTPUT_MAX_BYTES = 64 * 1024 ** 2;
const word = (name: string) => `${name}${randomBytes(6).toString('hex')}`;
const words = { kept: word('kept'), erased: word('erased') };

let folder: string;
let programs: string;
let commands: { backUp: string; restore: string };
let simulator: Awaited<ReturnType<typeof startSimulatorProcess>>;
/** Ids of the sessions, and of recordings of the one that is kept. */
const ids = { kept: '', erased: '', playable: '', dropped: '', lost: '' };
const undo: (() => Promise<unknown>)[] = [];
const masterKey = randomBytes(32).toString('base64');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-backups-'));
  for (const name of ['data', 'keys']) await mkdir(join(folder, name));
  programs = dirname(await findPostgresBinary('pg_dump', 15));
  const blocks = (await readFile(GUIDE, 'utf8')).matchAll(/```sh\n([\s\S]*?)```/g);
  const [backUp = '', restore = ''] = Array.from(blocks, ([, block]) => block!);
  commands = { backUp, restore };
  simulator = await startSimulatorProcess();
  const { url, drop } = await createTestDatabase(15);
  undo.push(drop);
  await liveAndBackUp(url);
}, 600_000);
afterAll(async () => {
  await simulator?.process.kill();
  for (const step of undo.toReversed()) await step();
  await rm(folder, { recursive: true, force: true });
});

/** Two sessions; a backup; one is erased, and a recording deleted; another backup. */
async function liveAndBackUp(url: string): Promise<void> {
  const app = await start(url, join(folder, 'live'));
  const at = `http://127.0.0.1:${app.port}`;
  ids.kept = await saySomething(at, words.kept);
  ids.erased = await saySomething(at, words.erased);
  ids.playable = await uploadSomething(at, { session: ids.kept, word: words.kept });
  const dropped = { session: ids.kept, word: words.kept, audioType: 'ai_response' };
  ids.dropped = await uploadSomething(at, dropped);
  ids.lost = await uploadSomething(at, { session: ids.erased, word: words.erased });
  await backUp(url);
  await cp(join(folder, 'live', 'blobs'), join(folder, 'blobs'), { recursive: true });
  for (const path of [`/v1/sessions/${ids.erased}`, `/v1/recordings/${ids.dropped}`]) {
    expect((await fetch(at + path, { method: 'DELETE' })).ok).toBe(true);
  }
  // The names of backups have a resolution of seconds.
  await delay(1_100);
  await backUp(url);
  await app.stop();
}

function start(databaseUrl: string, dataDir: string): Promise<LocalApplication> {
  return startApplication({
    DATABASE_URL: databaseUrl,
    HOLDFAST_DATA_DIR: dataDir,
    HOLDFAST_MASTER_KEY: masterKey,
    OPENAI_BASE_URL: `${simulator.url}/v1`,
    OPENAI_API_KEY: UPSTREAM_KEY,
  });
}

async function sh(script: string, env: Record<string, string>): Promise<void> {
  const path = `${programs}:${process.env.PATH}`;
  await run('sh', ['-c', script], { env: { PATH: path, ...env } });
}

function backUp(url: string): Promise<void> {
  const [data, keys] = ['data', 'keys'].map(name => join(folder, name));
  return sh(commands.backUp, {
    DATABASE_URL: url,
    DATA_BACKUPS: data!,
    KEY_BACKUPS: keys!,
    KEEP_KEYS_DAYS: String(KEEP_KEYS_DAYS),
  });
}

/** Paths of the backups that are left, oldest first. */
async function backups(kind: 'data' | 'keys'): Promise<string[]> {
  const names = (await readdir(join(folder, kind))).toSorted();
  return names.map(name => join(folder, kind, name));
}

async function emptyDatabase(): Promise<string> {
  const { url } = await sharedPostgres(15);
  const name = `restored_${randomBytes(6).toString('hex')}`;
  const admin = async (statement: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  };
  await admin(`create database ${name}`);
  undo.push(() => admin(`drop database ${name} with (force)`));
  return Object.assign(new URL(url), { pathname: `/${name}` }).href;
}

/** A server on backups of data and keys, with the blobs of the first backup. */
async function restore(data: string, keys: string) {
  const url = await emptyDatabase();
  await sh(commands.restore, { DATABASE_URL: url, DATA: data, KEYS: keys });
  const dataDir = await mkdtemp(join(folder, 'restored-'));
  await cp(join(folder, 'blobs'), join(dataDir, 'blobs'), { recursive: true });
  const app = await start(url, dataDir);
  const at = `http://127.0.0.1:${app.port}`;
  const get = async (path: string) => {
    const answer = await fetch(at + path);
    return { status: answer.status, text: await answer.text() };
  };
  return { url, dataDir, app, get };
}

it('data without keys, or with older ones, are refused until the lost is erased', async () => {
  const url = await emptyDatabase();
  const [data] = await backups('data');
  await run(join(programs, 'pg_restore'), ['--no-owner', `--dbname=${url}`, data!]);
  const startOn = () => start(url, join(folder, 'keyless'));
  await expect(startOn()).rejects.toThrow(/without its data keys.*docs\/guide\/backups\.md/);
  const database = await openPostgres({ url, poolSize: 1 });
  undo.push(() => database.close());
  // Of the two sessions, the newer one's key is not in a backup from before it.
  const key = sql`insert into subject_keys (subject, key_id, master_key_id, wrapped)
    select ${ids.kept}, private_key_id, 'lost', '' from events
    where subject = ${ids.kept} and private_key_id is not null limit 1`;
  await key.execute(database.db);
  await expect(startOn()).rejects.toThrow(/without its data keys/);
  // Whatever is older has nothing to show of it.
  await sql`insert into subjects (id, kind, project_id, created_by, created_at)
    select 'ses_' || lpad(n::text, 32, '0'), 'session', 'default', 'local', now() - interval '1 day'
    from generate_series(1, 100) as n`.execute(database.db);
  await expect(startOn()).rejects.toThrow(/without its data keys/);
  await sql`delete from subject_keys`.execute(database.db);
  const blocks = (await readFile(GUIDE, 'utf8')).matchAll(/```sql\n([\s\S]*?)```/g);
  const [count = '', remedy = ''] = Array.from(blocks, ([, block]) => block!);
  // Another key under the subject's name opens none of its text.
  await sql`insert into subject_keys (subject, key_id, master_key_id, wrapped)
    values (${ids.kept}, 'other', 'lost', '')`.execute(database.db);
  const counted = async () => (await sql.raw(count).execute(database.db)).rows;
  expect(await counted()).toEqual([{ keys: 1, subjects: 2, without_key: 2 }]);
  await sql.raw(remedy).execute(database.db);
  expect(await counted()).toEqual([{ keys: 2, subjects: 2, without_key: 0 }]);
  const app = await startOn();
  try {
    for (const id of [ids.kept, ids.erased]) {
      const answer = await fetch(`http://127.0.0.1:${app.port}/v1/sessions/${id}`);
      expect(answer.status).toBe(404);
    }
  } finally {
    await app.stop();
  }
}, 300_000);

it('old data, newest keys: what was erased is erased again, all else is readable', async () => {
  const [data] = await backups('data');
  const { url, dataDir, app, get } = await restore(data!, (await backups('keys')).at(-1)!);
  try {
    const log = await get(`/v1/sessions/${ids.kept}/events?limit=200`);
    expect(log.text.split(words.kept).length).toBeGreaterThan(2);
    const { text } = await get(`/v1/sessions/${ids.kept}/recordings`);
    expect(text).toContain(`They said ${words.kept}.`);
    expect((await get(`/v1/recordings/${ids.playable}/audio`)).status).toBe(200);
    for (const path of ['', '/events', '/recordings']) {
      expect((await get(`/v1/sessions/${ids.erased}${path}`)).status).toBe(404);
    }
    for (const id of [ids.dropped, ids.lost]) {
      expect((await get(`/v1/recordings/${id}`)).status).toBe(404);
    }
    const left = async () => {
      const names = await readdir(join(dataDir, 'blobs', 'blobs'), { recursive: true });
      return [ids.playable, ids.dropped, ids.lost].map(id => names.some(name => name.includes(id)));
    };
    await expect.poll(left, { timeout: 10_000 }).toEqual([true, false, false]);
    const database = await openPostgres({ url, poolSize: 1 });
    const { rows } = await sql`select from events where subject = ${ids.erased}`.execute(
      database.db,
    );
    await database.close();
    expect(rows).toEqual([]);
  } finally {
    await app.stop();
  }
}, 300_000);

it('what was erased opens with older keys while they are kept, and then with nothing', async () => {
  const [data] = await backups('data');
  const [older] = await backups('keys');
  const { app, get } = await restore(data!, older!);
  const before = await get(`/v1/sessions/${ids.erased}/events?limit=200`).finally(() => app.stop());
  expect(before.text).toContain(words.erased);
  const { url, drop } = await createTestDatabase(15);
  undo.push(drop);
  const agesAgo = async (path: string, days: number) => {
    const time = new Date(Date.now() - days * DAY_MS);
    await utimes(path, time, time);
  };
  await agesAgo(older!, KEEP_KEYS_DAYS - 0.1);
  await backUp(url);
  expect(await backups('keys')).toContain(older);
  await agesAgo(older!, KEEP_KEYS_DAYS + 0.1);
  await delay(1_100);
  await backUp(url);
  expect(await backups('keys')).not.toContain(older);
  expect(await backups('data')).toContain(data);
  const forms = [words.erased, Buffer.from(words.erased).toString('hex')];
  for (const path of [...(await backups('data')), ...(await backups('keys'))]) {
    const { stdout } = await run(join(programs, 'pg_restore'), ['--file=-', path], {
      maxBuffer: OUTPUT_MAX_BYTES,
    });
    for (const form of forms) expect(stdout).not.toContain(form);
    // Each row of the erased subject among the keys has no key.
    const rows = stdout.split('\n').filter(line => line.startsWith(`${ids.erased}\tdk_`));
    for (const row of rows) expect(row).toMatch(/^\w+\tdk_\w+\t\\N\t\\N\t/);
    if (path.includes('keys-') && stdout.includes(ids.kept)) expect(rows).toHaveLength(1);
  }
}, 300_000);
