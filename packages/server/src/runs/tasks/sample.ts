import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { newId } from '../../kernel/index.ts';
import type { Database } from '../../platform/database/index.ts';
import { git } from '../workspace/git.ts';
import * as store from './store.ts';

/**
 * The sample repository, for the first steps without keys: a small Node project with one failing
 * test. Made once in the data folder of an installation in local mode that has no repository yet;
 * from then on it is a repository like any other, and archiving it is for good.
 */
const SAMPLE_NAME = 'sample';
const GIT_TIMEOUT_MS = 20_000;
const AUTHOR = {
  GIT_AUTHOR_NAME: 'Holdfast',
  GIT_AUTHOR_EMAIL: 'holdfast@localhost',
  GIT_COMMITTER_NAME: 'Holdfast',
  GIT_COMMITTER_EMAIL: 'holdfast@localhost',
};

/**
 * Makes the sample repository in `dataDir` and registers it, where its folder is not there yet and
 * no repository was ever added. Returns whether it did. Throws when git cannot be run.
 */
export async function createSample(options: {
  readonly database: Database;
  readonly dataDir: string;
  readonly projectId: string;
  readonly createdBy: string;
}): Promise<boolean> {
  const { database, projectId, createdBy } = options;
  const folder = resolve(options.dataDir, 'sample');
  if (await exists(folder)) return false;
  if (await store.hasRepositories(database.db)) return false;
  await makeRepository(folder);
  await store.insertRepository(database.db, {
    id: newId('rpo'),
    project_id: projectId,
    created_by: createdBy,
    name: SAMPLE_NAME,
    url: null,
    path: folder,
    default_branch: 'main',
    test_command: TEST_COMMAND,
  });
  return true;
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

/** Appears whole or not at all. */
async function makeRepository(folder: string): Promise<void> {
  const draft = `${folder}.new`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(draft, name), text);
  const run = (...args: string[]) =>
    git(args, {
      gitDir: join(draft, '.git'),
      env: { ...AUTHOR, GIT_WORK_TREE: draft },
      timeoutMs: GIT_TIMEOUT_MS,
    });
  await run('init', '--quiet', '--initial-branch=main');
  await run('add', '--all');
  await run('commit', '--quiet', '--message=Start with a failing test');
  await rename(draft, folder);
}

/** Its files, by path. */
const FILES: Readonly<Record<string, string>> = {
  'README.md': `# Sample

A small project to try an agent on. One of its tests fails:

    node --test

Ask for "Fix the failing test." and compare what comes back.
`,
  'package.json': `{
  "name": "sample",
  "private": true,
  "type": "module",
  "scripts": { "test": "node --test" }
}
`,
  'sum.js': `/** The sum of all numbers of a list. */
export function sum(numbers) {
  return numbers.reduce((total, number) => add(total, number), 0);
}

export function add(a, b) {
  return a - b;
}
`,
  'sum.test.js': `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add, sum } from './sum.js';

test('adds two numbers', () => {
  assert.equal(add(2, 3), 5);
});

test('adds up a list', () => {
  assert.equal(sum([1, 2, 3]), 6);
  assert.equal(sum([]), 0);
});
`,
  '.gitignore': 'node_modules\n',
};

const TEST_COMMAND = 'node --test';
