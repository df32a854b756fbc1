/** What hostile callers do in both hostile tests: the budget of the main thread, and the siege. */
import { fileURLToPath } from 'node:url';
import type { RunsApi } from '../../e2e/harness/runs.ts';

const AGENT = fileURLToPath(new URL('./hostile-agent.ts', import.meta.url));
const HOSTILE = 'hostile';

/** The server's catalogue of agents, with the hostile one. */
export const agentCatalogue = {
  agents: [
    {
      name: HOSTILE,
      title: 'Hostile',
      command: process.execPath,
      args: ['--disable-warning=ExperimentalWarning', AGENT],
      env: { RUN_TOKEN: '{token}', GATEWAY: '{gateway}' },
      read_only_paths: [AGENT],
    },
  ],
};

/** Starts the hostile agent with these acts; answers its run. */
export async function startActs(api: RunsApi, acts: readonly string[]): Promise<string> {
  const { id: repo_id } = await api.sample();
  const instruction = acts.map(act => `act:${act}`).join(' ');
  const task = await api.post('/v1/tasks', { repo_id, title: 'Harm', instruction });
  const [run] = await api.start(task.id, [HOSTILE]);
  return run!.id;
}

/** Reads all that a run has left. */
export async function readRun(api: RunsApi, id: string): Promise<void> {
  for (const path of ['patch', 'diff', 'logs', 'events?limit=1000']) {
    await (await api.request(`/v1/runs/${id}/${path}`)).arrayBuffer();
  }
}

export async function createSession(url: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${url}/sessions`, { method: 'POST', headers });
  const { id = 'none' } = (await answer.json()) as { id?: string };
  return id;
}

/** Answers the status. */
export async function uploadFile(
  url: string,
  file: { readonly format: string; readonly bytes: Buffer },
  headers: Record<string, string>,
): Promise<number> {
  const form = new FormData();
  form.append('audio_file', new Blob([new Uint8Array(file.bytes)]), `a.${file.format}`);
  const metadata = {
    audio_type: 'user_speech',
    format: file.format,
    duration: 3,
    timestamp_start: '2026-11-22T10:00:00Z',
    timestamp_end: '2026-11-22T10:00:03Z',
  };
  form.append('metadata', JSON.stringify(metadata));
  const answer = await fetch(`${url}/audio/upload`, { method: 'POST', headers, body: form });
  await answer.arrayBuffer();
  return answer.status;
}
