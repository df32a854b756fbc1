import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { startAzurite } from './azurite.ts';
import { findBinary } from './binaries.ts';
import { createCertificate } from './certificate.ts';
import { startChild } from './child.ts';
import { startPostgres } from './postgres.ts';
import { startRedis } from './redis.ts';
import { sharedRedis } from './shared.ts';
import { startTcpProxy } from './tcp-proxy.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-services-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function isAlive(pid: number): boolean {
  try {
    // A zombie: the process ended, and its parent has not read its exit code yet.
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function untilDead(pid: number): Promise<void> {
  while (isAlive(pid)) await new Promise(resolve => setTimeout(resolve, 10));
}

describe('programs', () => {
  it('are taken from the newest version installed', async () => {
    for (const version of ['9.6', '16', '15']) {
      mkdirSync(join(folder, 'pg', version, 'bin'), { recursive: true });
      writeFileSync(join(folder, 'pg', version, 'bin', 'tool'), '', { mode: 0o755 });
    }
    const folders = [join(folder, 'pg/*/bin')];
    const found = await findBinary({ names: ['tool'], folders, aptPackage: 'none' });
    expect(found).toBe(join(folder, 'pg/16/bin/tool'));
  });

  it('that are missing fail with one line that explains how to get them', async () => {
    const request = { names: ['no-such-tool'], aptPackage: 'no-such-package', mayInstall: false };
    const error = await findBinary(request).catch(caught => caught);
    expect(error.message).toMatch(/^no-such-tool was not found: .*apt-get install no-such-package/);
    expect(error.message).not.toContain('\n');
  });
});

describe('a child', () => {
  const node = { name: 'Child', command: process.execPath };

  it('that ends too early fails with its output, and leaves nothing behind', async () => {
    let cleaned = 0;
    const start = startChild({
      ...node,
      args: ['-e', 'console.error("no room"); process.exit(3)'],
      ready: /ready/,
      cleanUp: () => {
        cleaned += 1;
      },
    });
    await expect(start).rejects.toThrow(/Child ended before it was ready \(3\)\nno room/);
    expect(cleaned).toBe(1);
  });

  it('that is never ready is stopped', async () => {
    const args = ['-e', 'console.log(process.pid); setInterval(() => {}, 1000)'];
    const start = startChild({ ...node, args, ready: /ready/, readyTimeoutMs: 1_000 });
    const error = await start.catch(caught => caught);
    expect(error.message).toContain('was not ready within 1000 ms');
    await untilDead(Number(error.message.split('\n')[1]));
  });

  it('that cannot be started fails', async () => {
    const start = startChild({ name: 'Nothing', command: '/no/such', args: [], ready: /^ready$/m });
    await expect(start).rejects.toThrow(/Nothing/);
  });

  it('dies with its parent, even when that is killed', async () => {
    const [redis, postgres] = ['./redis.ts', './postgres.ts'].map(
      file => new URL(file, import.meta.url).href,
    );
    const script = `
      import { startRedis } from '${redis}';
      import { startPostgres } from '${postgres}';
      console.log((await startRedis()).pid);
      console.log((await startPostgres()).pid);`;
    // Killed, it leaves its folders behind: in ours, which PostgreSQL's user must get through.
    chmodSync(folder, 0o755);
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
    const pids = [Number((await lines.next()).value), Number((await lines.next()).value)];
    expect(pids.map(isAlive)).toEqual([true, true]);
    parent.kill('SIGKILL');
    await Promise.all(pids.map(untilDead));
  });
});

it('PostgreSQL leaves neither process nor folder behind', async () => {
  const server = await startPostgres({ settings: ['max_connections=17'] });
  const args = readFileSync(`/proc/${server.pid}/cmdline`, 'utf8').split('\0');
  const data = args[args.indexOf('-D') + 1] ?? '';
  expect(existsSync(data)).toBe(true);
  expect(args).toContain('max_connections=17');
  await server.stop();
  expect(isAlive(server.pid)).toBe(false);
  expect(existsSync(data)).toBe(false);
});

it('PostgreSQL comes back on the same port and folder, also when it was killed', async () => {
  const server = await startPostgres();
  const { pid } = server;
  const dataOf = (id: number) => {
    const args = readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0');
    return args[args.indexOf('-D') + 1] ?? '';
  };
  const data = dataOf(pid);
  for (const signal of ['SIGKILL', 'SIGINT'] as const) await server.restart(signal);
  expect(server.pid).not.toBe(pid);
  expect(isAlive(pid)).toBe(false);
  expect(dataOf(server.pid)).toBe(data);
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
  await server.stop();
  expect(existsSync(data)).toBe(false);
});

it('a proxy shows what clients send', async () => {
  const server = await startRedis();
  const proxy = await startTcpProxy(server.port);
  let sent = '';
  proxy.watch(chunk => {
    sent += String(chunk);
  });
  const socket = connect(proxy.port, '127.0.0.1');
  socket.write('PING\r\n');
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toContain('PONG');
  expect(sent).toBe('PING\r\n');
  socket.destroy();
  await proxy.stop();
  await server.stop();
});

describe('Redis', () => {
  const ask = async (socket: NodeJS.ReadWriteStream, line: string) => {
    socket.write(`${line}\r\n`);
    const [answer] = await once(socket, 'data');
    return String(answer).trim();
  };

  it('asks for the password', async () => {
    const server = await startRedis({ password: 'open-sesame' });
    const socket = connect(server.port, server.host);
    expect(await ask(socket, 'PING')).toMatch(/^-NOAUTH/);
    expect(await ask(socket, 'AUTH open-sesame')).toBe('+OK');
    expect(new URL(server.url).password).toBe('open-sesame');
    socket.destroy();
    await server.stop();
  });

  it('speaks TLS, with a user of its own', async () => {
    const tls = await createCertificate();
    const server = await startRedis({ username: 'ada', password: 'pw', tls });
    const socket = connectTls({
      port: server.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: tls.certPem,
    });
    expect(await ask(socket, 'AUTH ada pw')).toBe('+OK');
    expect(await ask(socket, 'PING')).toBe('+PONG');
    expect(server.url).toMatch(/^rediss:\/\/ada:pw@/);
    socket.destroy();
    await server.stop();
  });
});

it('Azurite answers as a blob service and stops', async () => {
  const server = await startAzurite();
  const response = await fetch(`${server.blobEndpoint}?comp=list`);
  expect(response.headers.get('server')).toContain('Azurite');
  expect(response.status).toBe(403);
  await server.stop();
  expect(isAlive(server.pid)).toBe(false);
});

describe('the shared services', () => {
  it('are started once for any number of callers', async () => {
    const answers = await Promise.all([sharedRedis(), sharedRedis(), sharedRedis()]);
    expect(new Set(answers.map(answer => answer.url)).size).toBe(1);
  });

  it('are reachable for tests of this run only', async () => {
    const broker = inject('services');
    expect((await fetch(`${new URL(broker).origin}/guess/redis`)).status).toBe(404);
    expect((await fetch(`${broker}/nothing`)).status).toBe(404);
  });
});
