import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { newId } from '../../kernel/index.ts';
import { agentDoes, createWorld, keeping } from './testing.ts';

/** 600 KB of path, and a folder that its owner may not read. */
const DEEP = `perl -e 'for (1 .. 3000) { mkdir "x" x 200 or die; chdir "x" x 200 or die }
  mkdir "closed" or die; mkdir "closed/in" or die; chmod 0, "closed" or die'`;

it('removes trees that no path leads through', async () => {
  const world = await createWorld();
  const removed = await world.prepare();
  const left = await world.prepare();
  for (const workspace of [removed, left]) await agentDoes(world, workspace, DEEP);
  await removed.remove();
  expect(readdirSync(join(world.dir, 'runs'))).toEqual([left.runId]);
  await world.workspaces.tidy(keeping(async () => false));
  expect(readdirSync(join(world.dir, 'runs'))).toEqual([]);
});

it('removes the rest where one run or repository fails, and reports what did', async () => {
  const world = await createWorld({ limits: { diskMaxBytes: 1 } });
  const workspaces = [await world.prepare(), await world.prepare(), await world.prepare()];
  const broken = newId('rpo');
  for (const kind of ['mirror', 'lock']) mkdirSync(join(world.dir, 'mirrors', `${broken}.${kind}`));
  const [unknown] = workspaces.map(({ runId }) => runId).toSorted();
  const tidied = world.workspaces.tidy(
    keeping(async runId => {
      if (runId === unknown) throw new Error('no answer about this run');
      return false;
    }),
  );
  await expect(tidied).rejects.toThrow(/^3 times .*no answer about this run$/);
  expect(readdirSync(join(world.dir, 'runs'))).toEqual([unknown]);
  await world.workspaces.tidy(keeping(async () => false)).catch(() => {});
  expect(existsSync(join(world.dir, 'mirrors', `${world.source.id}.mirror`))).toBe(false);
});
