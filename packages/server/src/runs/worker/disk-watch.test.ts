import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../sandbox/testing.ts';
import { defaultWorkerLimits } from './deps.ts';
import { DiskWatch, diskUsage } from './disk-watch.ts';

const never = new AbortController().signal;
const INTERVAL_MS = 10;
const SOME_LOOKS_MS = 500;

async function twoFolders(): Promise<[string, string]> {
  const folder = await temporaryFolder();
  const [one, two] = [join(folder, 'one'), join(folder, '-two')] as const;
  for (const path of [one, two]) {
    await mkdir(join(path, 'deep'), { recursive: true });
    await writeFile(join(path, 'deep', 'file'), Buffer.alloc(100_000));
  }
  return [one, two];
}

it('counts the disk use of all folders, without the targets of links', async () => {
  const folders = await twoFolders();
  const { sizeBytes, files } = await diskUsage(folders, never);
  expect(sizeBytes).toBeGreaterThan(200_000);
  expect(sizeBytes).toBeLessThan(300_000);
  expect(files).toBe(6);
  const elsewhere = await temporaryFolder();
  await writeFile(join(elsewhere, 'big'), Buffer.alloc(1_000_000));
  await symlink(elsewhere, join(folders[0], 'link'));
  const linked = await diskUsage([...folders, '/no/such/folder'], never);
  expect(linked.sizeBytes).toBeLessThan(300_000);
  expect(linked.files).toBe(7);
});

it('calls onOver once, above the bound and not before', async () => {
  const folders = await twoFolders();
  const { sizeBytes: diskMaxBytes } = await diskUsage(folders, never);
  const limits = { ...defaultWorkerLimits, diskMaxBytes, diskIntervalMs: INTERVAL_MS };
  let calls = 0;
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const watch = new DiskWatch(folders, limits, excess => {
    expect(excess).toBe('disk_limit');
    calls += 1;
    resolve();
  });
  onTestFinished(() => watch.stop());
  await delay(SOME_LOOKS_MS);
  expect(calls).toBe(0);
  await writeFile(join(folders[1], 'more'), Buffer.alloc(1_000));
  await over;
  await delay(SOME_LOOKS_MS);
  expect(calls).toBe(1);
});

it('does not call onOver after a stop', async () => {
  const folders = await twoFolders();
  const limits = { ...defaultWorkerLimits, diskMaxBytes: 1, diskIntervalMs: INTERVAL_MS };
  let calls = 0;
  const watch = new DiskWatch(folders, limits, () => {
    calls += 1;
  });
  await delay(INTERVAL_MS);
  watch.stop();
  await delay(SOME_LOOKS_MS);
  expect(calls).toBe(0);
});

it('counts files that take no disk', async () => {
  const folders = await twoFolders();
  const { files } = await diskUsage(folders, never);
  const limits = { ...defaultWorkerLimits, filesMax: files + 500, diskIntervalMs: INTERVAL_MS };
  const { promise: over, resolve } = Promise.withResolvers<string>();
  const watch = new DiskWatch(folders, limits, resolve);
  onTestFinished(() => watch.stop());
  const make = async (count: number, name: string) => {
    for (let n = 0; n < count; n += 1) await writeFile(join(folders[0], `${name}-${n}`), '');
  };
  await make(500, 'fits');
  expect(await Promise.race([over, delay(SOME_LOOKS_MS, 'nothing')])).toBe('nothing');
  await make(1, 'more');
  expect(await over).toBe('file_limit');
});
