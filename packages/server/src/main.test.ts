import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
/** Beyond a gap: Node leaves such a descriptor for every child to inherit. */
const FAR = 40;

it('closes what its parent left open for its children, and keeps what it was handed', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'holdfast-main-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const planted = openSync('/', 'r');
  onTestFinished(() => closeSync(planted));
  // A database that never answers: the server has begun when it asks.
  const database = createServer().listen(0, '127.0.0.1');
  await once(database, 'listening');
  const { port } = database.address() as AddressInfo;
  const stdio: (number | 'ignore')[] = Array(FAR).fill('ignore');
  const server = spawn(process.execPath, [MAIN], {
    cwd: dataDir,
    stdio: [...stdio.slice(0, 3), planted, ...stdio.slice(4), planted],
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      HOLDFAST_DATA_DIR: dataDir,
      HOLDFAST_MASTER_KEY: Buffer.alloc(32).toString('base64'),
      DATABASE_URL: `postgres://holdfast@127.0.0.1:${port}/holdfast`,
    },
  });
  const ended = once(server, 'exit');
  onTestFinished(async () => {
    server.kill('SIGKILL');
    await ended;
    database.close();
  });
  const [connection] = await once(database, 'connection');
  connection.on('error', () => {});
  const descriptor = (fd: number) => () => readlinkSync(`/proc/${server.pid}/fd/${fd}`);
  expect(descriptor(3)()).toBe('/');
  expect(descriptor(FAR)).toThrow('ENOENT');
});
