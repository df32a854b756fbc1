import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { newId } from '../../kernel/index.ts';
import { createSandbox } from '../sandbox/index.ts';
import { sh } from '../sandbox/testing.ts';
import { createWorkspaces } from './index.ts';
import { agentDoes, createWorld, mountsOf, snapshotOf } from './testing.ts';

it('without isolation, workspaces are made, snapshotted and restored all the same', async () => {
  const world = await createWorld();
  const sandbox = await createSandbox({ dir: join(world.folder, 'open'), bwrap: '/no/such' });
  expect(sandbox.isolated).toBe(false);
  const make = (dir: string) =>
    createWorkspaces({ ...world, dir: join(world.folder, dir), sandbox });
  const request = {
    runId: newId('run'),
    repository: world.source,
    baseRef: null,
    baseCommit: null,
  };
  const workspace = await (await make('one')).prepare(request);
  const does = async (of: typeof workspace, script: string) =>
    (await sh(sandbox, mountsOf(of), script)).stdout;
  await does(workspace, 'echo one > one.txt; echo home > "$HOME/note"');
  const snapshot = await workspace.snapshot(sandbox, mountsOf(workspace));
  expect(await text(await workspace.patch(snapshot.commit))).toContain('+one');
  const manifest = await workspace.saveCheckpoint(1, snapshot, await workspace.keepHome());
  const restored = await (await make('two')).restore(request, manifest);
  expect(await does(restored, 'cat one.txt "$HOME/note"; git status --porcelain')).toBe(
    'one\nhome\n?? one.txt\n',
  );
});

it('a script that takes too long is stopped, and the error names the reason', async () => {
  const world = await createWorld();
  const slow = await world.another({ limits: { scriptTimeoutMs: 1_500 } });
  const request = { runId: newId('run'), repository: world.source };
  const workspace = await slow.prepare({ ...request, baseRef: null, baseCommit: null });
  // Without blocks, as large as files may be, and with more bytes than can be read in that time.
  await agentDoes(world, workspace, 'truncate -s 9G one; truncate -s 9G other');
  await expect(snapshotOf(world, workspace)).rejects.toMatchObject({
    code: 'unprocessable',
    detail: 'In the sandbox, the snapshot took longer than 1.5 s.',
  });
});
