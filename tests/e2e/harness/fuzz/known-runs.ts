import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newId } from '../../../../packages/server/src/kernel/index.ts';
import type { InspectedServer } from '../inspected-server.ts';
import { RunsApi } from '../runs.ts';
import type { Known } from './known-things.ts';

const REPOS = 10;
const TASKS = 10;
const ENDED_RUNS = 20;
const QUEUED_RUNS = 5;
const PATCH = 'diff --git a/a b/a\n';

export type KnownRuns = Pick<Known, 'folder' | 'repo' | 'repos' | 'tasks' | 'runs' | 'endedRuns'>;

/** Repositories, tasks and runs; no worker may be there to take the latter. */
export async function discoverRuns(server: InspectedServer, folder: string): Promise<KnownRuns> {
  const api = new RunsApi(server.url);
  const repo = (await api.addRepository(folder)).id;
  const repos = [];
  for (let count = 0; count < REPOS; count++) repos.push((await api.addRepository(folder)).id);
  const tasks: string[] = [];
  const wanted = { repo_id: repo, title: 'A task', instruction: 'Do it.' };
  for (let count = 0; count < TASKS; count++) tasks.push((await api.post('/v1/tasks', wanted)).id);
  const start = async (count: number) => {
    const [run] = await api.start(tasks[count % TASKS]!, ['builtin']);
    return run!.id;
  };
  const endedRuns = [];
  for (let count = 0; count < ENDED_RUNS; count++) {
    const id = await start(count);
    await api.post(`/v1/runs/${id}/cancel`);
    await addPatch(server, id);
    endedRuns.push(id);
  }
  const runs = [...endedRuns];
  for (let count = 0; count < QUEUED_RUNS; count++) runs.push(await start(count));
  return { folder, repo, repos, tasks, runs, endedRuns };
}

/** As a worker would have left it. */
async function addPatch(server: InspectedServer, run: string): Promise<void> {
  const id = newId('art');
  const key = `artifacts/${run}/${id}.patch`;
  for (const [kind, text] of [
    ['types', 'text/x-diff'],
    ['blobs', PATCH],
  ] as const) {
    const file = join(server.dataDir, 'blobs', kind, key);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  await server.query(`insert into artifacts
    (id, run_id, kind, blob_key, content_type, size_bytes, sha256)
    values ('${id}', '${run}', 'patch', '${key}', 'text/x-diff', ${PATCH.length}, '')`);
}
