/** `npm start` on this machine: first and later starts, every way to end, refusals. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Health } from '@holdfast/protocol';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type LocalOptions, LocalStart } from './harness/local.ts';
import { RunsApi } from './harness/runs.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const IS_ROOT = process.getuid?.() === 0;
const NOBODY = 65_534;

async function newFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-local-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** In a folder below the returned one, which does not exist yet. */
async function newDataDir(): Promise<string> {
  return join(await newFolder(), 'data');
}

function start(options: LocalOptions): LocalStart {
  const local = new LocalStart(options);
  onTestFinished(async () => {
    local.killAll();
    await local.left();
  });
  return local;
}

/** A whole run of the built-in agent, which needs every part. */
async function expectWorks(local: LocalStart): Promise<void> {
  const api = new RunsApi(await local.url());
  await expect.poll(() => api.sample().catch(() => undefined), { timeout: 30_000 }).toBeTruthy();
  const run = await api.working('Write a note.');
  const events = await api.follow(run.id);
  expect(events.at(-1)?.type).toBe('run.succeeded');
}

async function expectStops(local: LocalStart): Promise<void> {
  local.signal('npm', 'SIGTERM');
  expect(await local.left()).toEqual([]);
  expect(await local.ended).not.toBe(1);
}

describe('npm start', () => {
  it('starts every part in a folder of 200 characters, and once more after kill -9', async () => {
    const dataDir = join(await newFolder(), `${'deep'.repeat(20)}/${'x'.repeat(90)}/data`);
    expect(dataDir.length).toBeGreaterThan(200);
    const first = start({ dataDir });
    await expectWorks(first);
    const names = first.processes().map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['npm', 'launcher', 'server', 'worker', 'database', 'simulator']),
    );
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    first.killAll();
    expect(await first.left()).toEqual([]);
    const second = start({ dataDir });
    const { data } = await new RunsApi(await second.url()).get<{ data: unknown[] }>('/v1/tasks');
    expect(data).toHaveLength(1);
    await expectWorks(second);
    await expectStops(second);
  });

  it('works as an ordinary user', async () => {
    const dataDir = await newDataDir();
    await mkdir(dataDir, { mode: 0o700 });
    const prefix = await asOrdinaryUser(dataDir);
    const env = { HOME: dataDir, npm_config_cache: join(dataDir, 'npm') };
    const local = start({ dataDir, prefix, env });
    await expectWorks(local);
    await expectStops(local);
  });

  it('sets a folder of version 0.1 aside whole, with what lies beside its database', async () => {
    const dataDir = await newDataDir();
    await mkdir(join(dataDir, 'database'), { recursive: true });
    await writeFile(join(dataDir, 'database/PG_VERSION'), '18');
    await mkdir(join(dataDir, 'blobs/blobs'), { recursive: true });
    await writeFile(join(dataDir, 'blobs/blobs/recording'), 'bytes of 0.1');
    const local = start({ dataDir });
    await expectWorks(local);
    expect(local.output).toContain('nothing was deleted');
    const aside = join(dataDir, 'holdfast-0.1');
    expect(await readFile(join(aside, 'blobs/blobs/recording'), 'utf8')).toBe('bytes of 0.1');
    expect(await readdir(join(aside, 'database'))).toEqual(['PG_VERSION']);
    await expectStops(local);
  });
});

describe('a start that runs', () => {
  let folder: string;
  let local: LocalStart;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-local-'));
    local = new LocalStart({ dataDir: join(folder, 'data') });
    await local.url();
  });
  afterAll(async () => {
    local.killAll();
    await local.left();
    await rm(folder, { recursive: true, force: true });
  });

  it('keeps a worker beside the server, and reports in health when it is down', async () => {
    const url = await local.url();
    const health = async () => (await (await fetch(`${url}/health`)).json()) as Health;
    const state = async () => [(await health()).status, (await health()).checks.worker?.status];
    await expect.poll(state, { timeout: 30_000 }).toEqual(['healthy', 'healthy']);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    for (const process of ['server', 'worker']) {
      expect(metrics).toMatch(
        new RegExp(`^process_resident_memory_bytes{process="${process}"} \\d`, 'm'),
      );
    }
    expect(metrics.match(/^# TYPE process_resident_memory_bytes gauge$/gm)).toHaveLength(1);
    const [worker] = local.processes().filter(({ name }) => name === 'worker');
    expect(await listeningPorts(worker!.pid)).toEqual([]);
    expect(local.output.match(/auth\/local\?token=/g)).toHaveLength(1);
    local.signal('worker', 'SIGSTOP');
    await expect.poll(state, { timeout: 30_000 }).toEqual(['degraded', 'unhealthy']);
    local.signal('worker', 'SIGKILL');
    await local.printed(/The worker ended with code 137; starting it again in 0.5 s/);
    await expect.poll(state, { timeout: 30_000 }).toEqual(['healthy', 'healthy']);
  });

  it('refuses a second server on its folder in one line, from other namespaces too', async () => {
    const elsewhere = ['unshare', ...(IS_ROOT ? [] : ['--user', '--map-root-user'])];
    const prefixes = [[], [...elsewhere, '--pid', '--fork', '--mount-proc']];
    for (const prefix of prefixes) {
      const refused = new LocalStart({ dataDir: local.dataDir, prefix });
      expect(await refused.ended).toBe(1);
      expect(refused.output).toContain('another Holdfast server');
      expect(refused.output).not.toContain('    at ');
    }
    await expectWorks(local);
    await expectStops(local);
  });
});

describe('its end', () => {
  // Each start goes on from where the one before was ended.
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-local-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const startAgain = () =>
    start({ dataDir: join(folder, 'data'), env: { HOLDFAST_SHUTDOWN_GRACE: '1' } });

  /** A voice session that talks until it is closed. */
  async function talk(url: string): Promise<{ closed: Promise<number> }> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`);
    const closed = once(socket, 'close').then(([code]) => code as number);
    socket.on('error', () => {});
    await new Promise<void>((resolve, reject) => {
      closed.then(code => reject(new Error(`closed with ${code}`)));
      socket.on('message', text => {
        if (String(text).includes('"holdfast.session"')) resolve();
      });
    });
    return { closed };
  }

  /** Whether the database was there as long as a process that uses it. */
  async function watchOrder(local: LocalStart): Promise<boolean> {
    for (;;) {
      const names = new Set(local.processes().map(({ name }) => name));
      const isUsed = names.has('server') || names.has('worker');
      // Looked at again: a process may have ended while the list was made.
      if (isUsed && !names.has('database')) {
        await delay(20);
        const later = new Set(local.processes().map(({ name }) => name));
        if ((later.has('server') || later.has('worker')) && !later.has('database')) return false;
      }
      if (!isUsed) return true;
      await delay(20);
    }
  }

  it.each([
    ['npm', 'SIGTERM'],
    ['npm', 'SIGINT'],
    ['npm', 'SIGKILL'],
    ['launcher', 'SIGTERM'],
    ['launcher', 'SIGKILL'],
  ] as const)('%s by %s drains server and worker, then the database ends', async (part, signal) => {
    const local = startAgain();
    const { closed } = await talk(await local.url());
    expect(local.signal(part, signal)).toBe(true);
    const inOrder = watchOrder(local);
    expect(await closed).toBe(1012);
    expect(await inOrder).toBe(true);
    expect(await local.left()).toEqual([]);
    await local.ended;
  });

  it('of the server is passed on with its code, and ends the rest', async () => {
    const local = startAgain();
    await local.url();
    expect(local.signal('server', 'SIGKILL')).toBe(true);
    expect(await local.ended).toBe(137);
    expect(local.output).toContain('The server ended with code 137; stopping everything.');
    expect(await local.left()).toEqual([]);
  });
});

/** Prefix of a command that runs as an ordinary user; the folder becomes that user's. */
async function asOrdinaryUser(dir: string): Promise<string[]> {
  if (!IS_ROOT) return [];
  if (!isReachable(ROOT)) {
    // The repository lies below a folder of root's alone, so root appears as another user.
    return ['unshare', '--user', '--map-user=1000', '--map-group=1000'];
  }
  for (const folder of [dir, join(dir, '..')]) await chown(folder, NOBODY, NOBODY);
  await chmod(join(dir, '..'), 0o700);
  return ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
}

/** Whether users other than the owner get into the folder. */
function isReachable(path: string): boolean {
  const parts = path.split('/').filter(part => part !== '');
  const folders = parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
  return folders.every(folder => (statSync(folder).mode & 0o001) !== 0);
}

async function listeningPorts(pid: number): Promise<string[]> {
  const { stdout } = await promisify(execFile)('sh', ['-c', `ls -l /proc/${pid}/fd`]);
  const inodes = [...stdout.matchAll(/socket:\[(\d+)\]/g)].map(([, inode]) => inode!);
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map(name => readFile(`/proc/${pid}/net/${name}`, 'utf8')),
  );
  const LISTEN = '0A';
  return tables
    .flatMap(table => table.trim().split('\n').slice(1))
    .map(line => line.trim().split(/\s+/))
    .filter(fields => fields[3] === LISTEN && inodes.includes(fields[9]!))
    .map(fields => fields[1]!);
}
