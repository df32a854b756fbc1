/**
 * What users write is sealed wherever it lies: a word that went through a session, an upload and a
 * run is looked for in the whole data folder and in every table.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findBubblewrap } from '../../tools/services/binaries.ts';
import { type LocalApplication, startApplication } from './harness/application.ts';
import { filesWith, tablesWith } from './harness/at-rest.ts';
import { RunsApi } from './harness/runs.ts';
import { startSimulatorProcess, UPSTREAM_KEY } from './harness/stacks.ts';
import { saySomething, uploadSomething } from './harness/words.ts';

const CANARY = `canary${randomBytes(8).toString('hex')}`;
/** In a title, which is no private field: the search must find it. */
const OPEN = `title${randomBytes(8).toString('hex')}`;

let dataDir: string;
let local: LocalApplication;
let simulator: Awaited<ReturnType<typeof startSimulatorProcess>>;
let url: string;

beforeAll(async () => {
  await findBubblewrap();
  dataDir = await mkdtemp(join(tmpdir(), 'holdfast-at-rest-'));
  simulator = await startSimulatorProcess();
  local = await startApplication({
    HOLDFAST_DATA_DIR: dataDir,
    OPENAI_BASE_URL: `${simulator.url}/v1`,
    OPENAI_API_KEY: UPSTREAM_KEY,
  });
  url = `http://127.0.0.1:${local.port}`;
});
afterAll(async () => {
  await local?.stop();
  await simulator?.process.kill();
  await rm(dataDir, { recursive: true, force: true });
});

/** Lets an agent write the word into its home and its clone. */
async function work(api: RunsApi): Promise<void> {
  const instruction =
    `[[simulate: command echo ${CANARY} > "$HOME/kept.txt"]] ` +
    `[[simulate: command echo ${CANARY} | tee kept.txt]] Note ${CANARY}.`;
  const { id: repo_id } = await api.sample();
  const task = await api.post('/v1/tasks', { repo_id, title: OPEN, instruction });
  const [run] = await api.start(task.id, ['builtin']);
  const types = (await api.follow(run!.id)).map(({ type }) => type);
  expect(types).toContain('checkpoint.saved');
  expect(await api.run(run!.id)).toMatchObject({ status: 'succeeded', isolated: true });
  expect(await api.patch(run!.id)).toContain(CANARY);
  await api.post(`/v1/tasks/${task.id}/messages`, { instruction: `And ${CANARY}.` });
}

it('what users write is found in no table and in no file, but in objects of its run', async () => {
  const api = new RunsApi(url);
  const session = { type: 'realtime', model: 'gpt-realtime', instructions: CANARY };
  await api.post('/v1/realtime/client_secrets', { session });
  const id = await saySomething(url, CANARY);
  await uploadSomething(url, { session: id, word: CANARY });
  const log = await (await fetch(`${url}/v1/sessions/${id}/events?limit=200`)).text();
  expect(log.split(CANARY).length).toBeGreaterThan(2);
  await work(api);
  const { database } = local.platform;
  expect(await tablesWith(database, OPEN)).toEqual(['public.tasks']);
  expect(await tablesWith(database, CANARY)).toEqual([]);
  await local.stop();
  expect(filesWith(dataDir, OPEN).some(path => path.startsWith('postgres-18/'))).toBe(true);
  // Until the run is erased, its worker keeps what its agent made (SECURITY.md).
  expect(filesWith(dataDir, CANARY)).toEqual([
    expect.stringMatching(/^runs\/workspaces\/objects\/rpo_[0-9a-f]+\/run_[0-9a-f]+$/),
  ]);
}, 600_000);
