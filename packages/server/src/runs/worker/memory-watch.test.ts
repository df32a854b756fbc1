import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import type { SandboxedProcess } from '../sandbox/sandbox.ts';
import { MemoryWatch, residentBytes } from './memory-watch.ts';

const MIB = 1024 ** 2;
const SOME_LOOKS_MS = 300;

/** A process whose child takes so much memory. */
async function parentOf(mib: number): Promise<SandboxedProcess> {
  const take = `const b = Buffer.alloc(${mib} * 2 ** 20, 1); console.log(b.length);
    setInterval(() => b[0], 1e6);`;
  const args = ['-c', `"$1" -e "$2"; true`, 'sh', process.execPath, take];
  const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  onTestFinished(() => void process.kill(-child.pid!, 'SIGKILL'));
  await once(child.stdout, 'data');
  return {
    pid: child.pid!,
    ranOutOfMemory: false,
  } as Partial<SandboxedProcess> as SandboxedProcess;
}

it('counts what a process and its descendants have in memory', async () => {
  const { pid } = await parentOf(200);
  const sizeBytes = residentBytes([pid]);
  expect(sizeBytes).toBeGreaterThan(200 * MIB);
  expect(sizeBytes).toBeLessThan(400 * MIB);
  expect(residentBytes([])).toBe(0);
  expect(residentBytes([0])).toBe(0);
});

it('calls onOver once, above the bound and not before', async () => {
  const processes = [await parentOf(100)];
  let calls = 0;
  const limits = { memoryMaxBytes: 300 * MIB, memoryIntervalMs: 10 };
  const watch = new MemoryWatch(
    () => processes,
    limits,
    () => {
      calls += 1;
    },
  );
  onTestFinished(() => watch.stop());
  await delay(SOME_LOOKS_MS);
  expect(calls).toBe(0);
  processes.push(await parentOf(250));
  await expect.poll(() => calls).toBe(1);
  await delay(SOME_LOOKS_MS);
  expect(calls).toBe(1);
});

it('counts what a sandbox measures itself instead of its processes', async () => {
  let insideBytes = 200 * MIB;
  const process = { ...(await parentOf(200)), memoryBytes: () => insideBytes };
  let calls = 0;
  const limits = { memoryMaxBytes: 300 * MIB, memoryIntervalMs: 10 };
  const watch = new MemoryWatch(
    () => [process],
    limits,
    () => {
      calls += 1;
    },
  );
  onTestFinished(() => watch.stop());
  await delay(SOME_LOOKS_MS);
  expect(calls).toBe(0);
  insideBytes = 301 * MIB;
  await expect.poll(() => calls).toBe(1);
});

it('calls onOver where the kernel has ended a process of the run', async () => {
  const ended = { pid: 0, ranOutOfMemory: true } as Partial<SandboxedProcess> as SandboxedProcess;
  const { promise, resolve } = Promise.withResolvers<void>();
  const limits = { memoryMaxBytes: 300 * MIB, memoryIntervalMs: 10 };
  const watch = new MemoryWatch(() => [ended], limits, resolve);
  onTestFinished(() => watch.stop());
  await promise;
});
