import { join } from 'node:path';
import pg from 'pg';
import { newId } from '../../../packages/server/src/kernel/index.ts';
import { makeRepository } from '../../../packages/server/src/runs/workspace/testing.ts';

const FILES = {
  'package.json': '{"type":"module"}\n',
  'sum.js': 'export function add(a, b) {\n  return a - b;\n}\n',
  'sum.test.js':
    "import assert from 'node:assert/strict';\nimport { test } from 'node:test';\n" +
    "import { add } from './sum.js';\ntest('adds', () => assert.equal(add(2, 3), 5));\n",
};

/**
 * A repository with a failing test, in each of these projects. The API takes no folders where there
 * is an identity provider.
 */
export async function addSample(
  databaseUrl: string,
  { folder, projects }: { folder: string; projects: readonly string[] },
): Promise<void> {
  const path = join(folder, 'sample');
  makeRepository(path, FILES);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  for (const project of projects) {
    await client.query(
      `insert into repositories (id, project_id, created_by, name, path, default_branch,
         test_command) values ($1, $2, 'test', 'sample', $3, 'main', 'node --test')`,
      [newId('rpo'), project, path],
    );
  }
  await client.end();
}
