import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { RunsApi } from '../../e2e/harness/runs.ts';

type Headers = Readonly<Record<string, string>>;

/** With the runs of the same caller these acts stay within its 60 writes a minute. */
const BETWEEN_KEYS_MS = 5_000;

/** Makes a run that must succeed; answers how long it took. */
export async function makeRun(url: string, headers: Headers): Promise<number> {
  const api = new RunsApi(url, headers);
  const startedMs = performance.now();
  const run = await api.working('Fix the failing test.');
  await api.follow(run.id);
  expect(await api.run(run.id)).toMatchObject({ status: 'succeeded' });
  return performance.now() - startedMs;
}

/** Makes keys and revokes them until the signal; answers their ids. */
export async function makeKeys(
  url: string,
  headers: Headers,
  over: AbortSignal,
): Promise<string[]> {
  const keys: string[] = [];
  while (!over.aborted) {
    const answer = await fetch(`${url}/v1/api-keys`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ name: `key ${keys.length}`, role: 'Viewer' }),
    });
    expect(answer.status).toBe(201);
    const { id } = (await answer.json()) as { id: string };
    const revoked = await fetch(`${url}/v1/api-keys/${id}`, { method: 'DELETE', headers });
    expect(revoked.status).toBe(204);
    keys.push(id);
    await delay(BETWEEN_KEYS_MS);
  }
  return keys;
}

/** The acts on these keys that the audit log does not have. */
export async function missingFromAudit(
  url: string,
  headers: Headers,
  keys: readonly string[],
): Promise<string[]> {
  const found = new Set<string>();
  let cursor: string | null = '';
  while (cursor !== null) {
    const page = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const answer = await fetch(`${url}/v1/audit?limit=200${page}`, { headers });
    expect(answer.status).toBe(200);
    const { data, next_cursor } = (await answer.json()) as {
      data: { action: string; target: string | null }[];
      next_cursor: string | null;
    };
    for (const { action, target } of data) found.add(`${action} ${target}`);
    cursor = next_cursor;
  }
  const wanted = keys.flatMap(id => [`keys.create ${id}`, `keys.revoke ${id}`]);
  return wanted.filter(act => !found.has(act));
}
