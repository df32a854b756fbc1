import { randomBytes } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { newId } from '../../kernel/index.ts';
import { commitFiles, createWorld, type World } from './testing.ts';
import type { WorkspaceLimits } from './workspace.ts';

let world: World;

beforeEach(async () => {
  world = await createWorld();
  commitFiles(world.origin, { 'noise.bin': randomBytes(4_000_000) });
});

/**
 * A worker whose ssh is a program that runs the remote's side here, and passes its answer on in
 * small parts: 4 MB take about ten seconds.
 */
async function slowly(limits: Partial<WorkspaceLimits>) {
  const ssh = join(world.folder, 'ssh');
  const script = `
    const pause = () => new Promise(resolve => setTimeout(resolve, 100));
    for await (const chunk of process.stdin)
      for (let at = 0; at < chunk.length; at += 40000) {
        process.stdout.write(chunk.subarray(at, at + 40000));
        if (chunk.length > 10000) await pause();
      }`;
  writeFileSync(join(world.folder, 'throttle.mjs'), script);
  const through = `'${process.execPath}' '${join(world.folder, 'throttle.mjs')}'`;
  writeFileSync(ssh, `#!/bin/sh\nshift\nsh -c "$*" | ${through}\n`, { mode: 0o755 });
  const env = { GIT_SSH_COMMAND: ssh, GIT_SSH_VARIANT: 'simple' };
  const workspaces = await world.another({ limits, remoteEnv: () => env });
  const url = `ssh://example.com${world.origin}`;
  const repository = { ...world.source, path: null, url };
  const request = { runId: newId('run'), repository, baseRef: null, baseCommit: null };
  return { workspaces, request };
}

const left = () =>
  readdirSync(join(world.folder, 'worker-2', 'mirrors')).filter(name => !name.includes('.lock'));

it('a fetch that grows beyond the bound is stopped while it runs', async () => {
  const { workspaces, request } = await slowly({ repositoryMaxBytes: 300_000 });
  const started = performance.now();
  await expect(workspaces.prepare(request)).rejects.toMatchObject({
    code: 'unprocessable',
    detail: 'The repository is larger than 300000 bytes.',
  });
  expect(performance.now() - started).toBeLessThan(6_000);
  expect(left()).toEqual([]);
});

it('a fetch that takes too long is stopped, and the next one may begin', async () => {
  const { workspaces, request } = await slowly({ fetchTimeoutMs: 1_500 });
  const expected = { code: 'unavailable', detail: 'The repository did not answer in time.' };
  await expect(workspaces.prepare(request)).rejects.toMatchObject(expected);
  expect(left()).toEqual([]);
  const local = { ...request, repository: world.source };
  expect((await workspaces.prepare(local)).branch).toBe(`holdfast/${request.runId}`);
});
