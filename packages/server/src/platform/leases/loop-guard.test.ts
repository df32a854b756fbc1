import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, it, vi } from 'vitest';
import type { Database } from '../database/index.ts';
import { openTestDatabase, type TestDatabase } from '../database/testing.ts';
import { openTestLog } from '../log/testing.ts';
import { createLeases, type Leases } from './index.ts';
import { LEASE_SELF_FENCE_MS, LEASE_TTL_MS } from './leases.ts';

const BUSY_REPLICA = fileURLToPath(new URL('./testing/busy-replica.ts', import.meta.url));

let database: TestDatabase;
let other: Leases;
/** Each of them waits for a lease to run out, or for a loop to be found stuck. */
const TEST_MAX_MS = 60_000;
const children: ChildProcess[] = [];

beforeAll(async () => {
  database = await openTestDatabase();
  other = createLeases({ database, revision: 'test', roles: ['worker'] });
  await other.start();
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await other.stop();
  await database.close();
});

const isRoot = () => process.getuid?.() === 0;

interface Way {
  /** What starts Node, and its options. */
  readonly prefix?: readonly string[];
  readonly options?: readonly string[];
  readonly how?: 'native';
}

async function busyReplica(busyMs: number, loopStuckMs: number, way: Way = {}) {
  const { prefix = [], options = [], how } = way;
  const subject = await openTestLog(database).newSession();
  const [program = '', ...args] = [
    ...prefix,
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    ...options,
    ...[BUSY_REPLICA, database.url, subject, String(busyMs), String(loopStuckMs)],
    ...(how === undefined ? [] : [how]),
  ];
  const child = spawn(program, args);
  children.push(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', text => {
    output.stdout += text;
  });
  child.stderr.on('data', text => {
    output.stderr += text;
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const isUp = () => {
    if (!output.stdout.includes(subject)) throw new Error('It has no lease yet.');
  };
  await vi.waitFor(isUp, TEST_MAX_MS);
  return { subject, child, output, exited, hasExpired: () => isExpired(database, subject) };
}

async function isExpired(executor: Database, subject: string): Promise<boolean> {
  return (await other.expired(executor.db, 'session', 100)).includes(subject);
}

it.concurrent(
  'keeps leases while the main loop is busy for longer than they live',
  async ({ expect }) => {
    const busyMs = LEASE_TTL_MS + 5_000;
    const { output, exited, hasExpired } = await busyReplica(busyMs, 2 * busyMs);
    const startedMs = performance.now();
    while (performance.now() - startedMs < busyMs - 500) {
      expect(await hasExpired()).toBe(false);
      await new Promise(resolve => setTimeout(resolve, 500));
    }
    expect(await exited).toEqual([0, null]);
    const [, sinceMs] = output.stdout.trim().split('\n');
    expect(Number(sinceMs)).toBeLessThan(LEASE_SELF_FENCE_MS);
  },
  TEST_MAX_MS,
);

it.concurrent(
  'ends a process whose main loop never answers, which frees its leases',
  async ({ expect }) => {
    const loopStuckMs = 4_000;
    const { output, exited, hasExpired } = await busyReplica(3_600_000, loopStuckMs);
    const startedMs = performance.now();
    expect(await exited).toEqual([1, null]);
    expect(performance.now() - startedMs).toBeGreaterThan(loopStuckMs);
    expect(output.stderr).toContain('The main loop has not answered for 4 s; the process ends.');
    await expect.poll(hasExpired, { timeout: 2 * LEASE_TTL_MS }).toBe(true);
  },
  TEST_MAX_MS,
);

it.concurrent(
  'kills a process that nothing can interrupt, and names an open inspector',
  async ({ expect }) => {
    const options = ['--inspect=127.0.0.1:0'];
    const { output, exited } = await busyReplica(20_000, 2_000, { how: 'native', options });
    expect(await exited).toEqual([null, 'SIGKILL']);
    expect(output.stderr).toContain('Its inspector is open: a break in a debugger counts');
  },
  TEST_MAX_MS,
);

it.concurrent(
  'says so where it is process 1 and cannot kill itself, and its leases run out',
  async ({ expect }) => {
    const prefix = ['unshare', ...(isRoot() ? [] : ['--user']), '--pid', '--fork', '--kill-child'];
    const { output, hasExpired } = await busyReplica(60_000, 2_000, { prefix, how: 'native' });
    await expect
      .poll(() => output.stderr, { timeout: 20_000 })
      .toContain('This is process 1 of its container, which cannot kill itself.');
    await expect.poll(hasExpired, { timeout: 2 * LEASE_TTL_MS }).toBe(true);
  },
  TEST_MAX_MS,
);

it.concurrent(
  'does not count a process that was stopped as a whole as stuck',
  async ({ expect }) => {
    const { child, exited } = await busyReplica(3_000, 2_000 + 3_000);
    child.kill('SIGSTOP');
    await new Promise(resolve => setTimeout(resolve, 6_000));
    child.kill('SIGCONT');
    expect(await exited).toEqual([0, null]);
  },
  TEST_MAX_MS,
);
