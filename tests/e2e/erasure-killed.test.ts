/**
 * Erasure, push and upkeep with `kill -9` between them: the objects of an erased run leave every
 * worker's disk, nothing of it is pushed, and what is kept stays.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Repo, Run } from '@holdfast/protocol';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Database, openPostgres } from '../../packages/server/src/platform/database/index.ts';
import { createTestDatabase } from '../../packages/server/src/platform/database/testing.ts';
import { makeRepository, personGit } from '../../packages/server/src/runs/workspace/testing.ts';
import { findBubblewrap } from '../../tools/services/binaries.ts';
import { sharedAzurite } from '../../tools/services/shared.ts';
import { RunsApi } from './harness/runs.ts';
import { type Server, startServer, startSimulatorProcess, UPSTREAM_KEY } from './harness/stacks.ts';

/** After a start, in which its upkeep is at work. */
const KILL_AFTER_MAX_MS = 400;
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6));
const SLOW_MS = 60_000;
const TEST_MAX_MS = 300_000;

const undo: (() => Promise<unknown>)[] = [];
let folder: string;
let env: Record<string, string>;
let database: Database;

beforeAll(async () => {
  await findBubblewrap();
  folder = await mkdtemp(join(tmpdir(), 'holdfast-erasure-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const simulator = await startSimulatorProcess();
  undo.push(() => simulator.process.kill());
  const [made, azurite] = await Promise.all([createTestDatabase(), sharedAzurite()]);
  undo.push(() => made.drop());
  database = await openPostgres({ url: made.url, poolSize: 1 });
  undo.push(() => database.close());
  env = {
    DATABASE_URL: made.url,
    AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
    AZURE_STORAGE_CONTAINER_NAME: `e2e-${randomBytes(6).toString('hex')}`,
    HOLDFAST_MASTER_KEY: randomBytes(32).toString('base64'),
    HOLDFAST_RETENTION_RUNS_DAYS: '1',
    OPENAI_BASE_URL: `${simulator.url}/v1`,
    OPENAI_API_KEY: UPSTREAM_KEY,
  };
});
afterAll(async () => {
  for (const step of undo.toReversed()) await step();
});

/** A worker is its folder: each start of one name goes on with it. */
async function start(name: string): Promise<Server> {
  const server = await startServer({ ...env, HOLDFAST_DATA_DIR: join(folder, name) });
  undo.push(() => rm(server.dataDir, { recursive: true, force: true }));
  undo.push(() => server.process.kill());
  return server;
}

function objectsOf(name: string, repo: Repo, run: Run): string {
  return join(folder, name, 'runs/workspaces/objects', repo.id, run.id);
}

async function age(run: Run): Promise<void> {
  await sql`update runs set finished_at = now() - interval '2 days' where id = ${run.id}`.execute(
    database.db,
  );
}

async function endedRun(api: RunsApi, repo: Repo): Promise<Run> {
  const { id } = await api.working('[[simulate: command echo x > kept.txt]] Do it.', repo);
  await api.follow(id);
  const run = await api.run(id);
  expect(run).toMatchObject({ status: 'succeeded', head_commit: expect.any(String) });
  return run;
}

/** A remote whose pushes wait while `hold` is there, and fail where `refuse` is. */
function makeRemote() {
  makeRepository(join(folder, 'origin'), { 'README.md': 'x\n' });
  const path = join(folder, 'remote.git');
  personGit(folder, 'clone', '-q', '--bare', join(folder, 'origin'), path);
  const mark = (name: string) => join(folder, name);
  mkdirSync(join(path, 'hooks'), { recursive: true });
  const hook = `#!/bin/sh\ntouch ${mark('pushing')}
    while [ -e ${mark('hold')} ]; do sleep 0.1; done\n[ ! -e ${mark('refuse')} ]\n`;
  writeFileSync(join(path, 'hooks/pre-receive'), hook, { mode: 0o755 });
  const branches = () => personGit(path, 'for-each-ref', '--format=%(refname:short)', 'refs/heads');
  return { path, mark, branches };
}

it(
  `a worker that is killed between erasure, push and upkeep, seed ${SEED}`,
  async () => {
    const remote = makeRemote();
    let one = await start('one');
    const api = () => new RunsApi(one.url);
    const repo = await api().addRepository(remote.path);
    const [erased, kept] = [await endedRun(api(), repo), await endedRun(api(), repo)];
    for (const name of ['hold', 'refuse']) writeFileSync(remote.mark(name), '');
    await api().post(`/v1/runs/${erased.id}/push`);
    await expect.poll(() => existsSync(remote.mark('pushing')), { timeout: SLOW_MS }).toBe(true);
    await one.process.kill();

    // Another worker erases the run, and dies before it could tidy anything.
    await age(erased);
    const two = await start('two');
    await two.process.waitFor(({ event }) => event === 'run.erased');
    await two.process.kill();
    rmSync(remote.mark('hold'));
    expect(existsSync(objectsOf('one', repo, erased))).toBe(true);

    // The first one comes back, and is killed in the middle of its upkeep.
    one = await start('one');
    await delay(SEED % KILL_AFTER_MAX_MS);
    await one.process.kill();
    rmSync(remote.mark('refuse'), { force: true });
    one = await start('one');
    await expect
      .poll(() => existsSync(objectsOf('one', repo, erased)), { timeout: SLOW_MS })
      .toBe(false);
    expect((await api().request(`/v1/runs/${erased.id}/stream`)).status).toBe(410);
    const pushed = await api().request(`/v1/runs/${erased.id}/push`, { method: 'POST' });
    expect(pushed.status).toBe(410);
    expect(remote.branches()).toBe('main');
    expect(existsSync(objectsOf('one', repo, kept))).toBe(true);
    await api().post(`/v1/runs/${kept.id}/push`);
    await expect.poll(remote.branches, { timeout: SLOW_MS }).toBe(`holdfast/${kept.id}\nmain`);
  },
  TEST_MAX_MS,
);
