import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sql } from 'kysely';
import { newId } from '../../../kernel/index.ts';
import type { Database } from '../../../platform/database/index.ts';
import { tables } from '../../tables.ts';
import { git } from '../../workspace/git.ts';
import { SAMPLE_FILES, SAMPLE_TEST_COMMAND } from './files.ts';

export const SAMPLE_NAME = 'sample';
const GIT_TIMEOUT_MS = 20_000;
const AUTHOR = {
  GIT_AUTHOR_NAME: 'Holdfast',
  GIT_AUTHOR_EMAIL: 'holdfast@localhost',
  GIT_COMMITTER_NAME: 'Holdfast',
  GIT_COMMITTER_EMAIL: 'holdfast@localhost',
};

/**
 * Makes the sample repository in `dataDir` and registers it, where its folder is not there yet and
 * no repository was ever added. Answers whether it did. Throws when git cannot be run.
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
  const { rows } = await sql`select 1 from repositories limit 1`.execute(database.db);
  if (rows.length > 0) return false;
  await makeRepository(folder);
  await tables(database.db)
    .insertInto('repositories')
    .values({
      id: newId('rpo'),
      project_id: projectId,
      created_by: createdBy,
      name: SAMPLE_NAME,
      path: folder,
      default_branch: 'main',
      test_command: SAMPLE_TEST_COMMAND,
    })
    .execute();
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
  for (const [name, text] of Object.entries(SAMPLE_FILES)) await writeFile(join(draft, name), text);
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
