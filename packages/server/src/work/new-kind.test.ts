import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase } from '../platform/database/testing.ts';
import { SseConnection } from '../runs/testing/sse-client.ts';

const SERVER = fileURLToPath(new URL('./testing/note-server.ts', import.meta.url));
const WORDS = 60;
const TIME_LIMIT_MS = 90_000;

let dir: string;
let database: Awaited<ReturnType<typeof createTestDatabase>>;
const masterKey = randomBytes(32).toString('base64');
const children: ChildProcess[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-notes-'));
  database = await createTestDatabase();
});
afterAll(async () => {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  await database.drop();
  await rm(dir, { recursive: true });
});

/** A server process that serves and works; answers its URL. */
async function startServer(name: string): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [SERVER], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      DATABASE_URL: database.url,
      HOLDFAST_MASTER_KEY: masterKey,
      HOLDFAST_DATA_DIR: join(dir, name),
      HOLDFAST_ROLES: 'api,worker',
      HOLDFAST_ADMIN_LINK_TOKEN: 'x'.repeat(32),
    },
  });
  children.push(child);
  for await (const line of createInterface({ input: child.stdout! })) {
    const { event, url } = JSON.parse(line) as { event?: string; url?: string };
    if (event !== 'listening') continue;
    child.stdout!.resume();
    return { url: url!, child };
  }
  throw new Error('The server ended.');
}

it('is written on after its worker was killed, and its stream resumed', {
  timeout: TIME_LIMIT_MS,
}, async () => {
  const first = await startServer('first');
  const answer = await fetch(`${first.url}/v1/notes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': 'note-1' },
    body: JSON.stringify({ words: WORDS }),
  });
  expect(answer.status).toBe(201);
  const { id } = (await answer.json()) as { id: string };
  const path = `/v1/notes/${id}/stream`;
  const before = new SseConnection(first.url + path, {});
  await before.until(() => before.messages.length >= WORDS / 4);
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');
  const seen = [...before.messages];
  const second = await startServer('second');
  expect(seen.length).toBeLessThan(WORDS);

  const after = new SseConnection(second.url + path, { 'last-event-id': seen.at(-1)!.id! });
  // The dead worker's lease expires first.
  const isClosed = () => after.messages.some(({ data }) => data.includes('note.closed'));
  await expect.poll(isClosed, { timeout: TIME_LIMIT_MS / 2 }).toBe(true);
  const all = [...seen, ...after.messages];
  expect(all.map(message => message.id)).toEqual(all.map((_, index) => String(index + 1)));
  const events = all.map(({ data }) => JSON.parse(data) as { type: string; data: object });
  expect(events.map(event => event.type)).toEqual([
    'note.created',
    ...Array(WORDS).fill('note.written'),
    'note.closed',
  ]);
  expect(events.slice(1, -1).map(event => event.data)).toEqual(
    Array.from({ length: WORDS }, (_, index) => ({ number: index + 1 })),
  );
  const last = String(all.length);
  const over = await fetch(second.url + path, { headers: { 'last-event-id': last } });
  expect(over.status).toBe(204);
  const queue = await (await fetch(`${second.url}/v1/queue`)).json();
  expect(queue).toMatchObject({ queues: [{ name: 'note', dead: 0 }] });
  second.child.kill('SIGTERM');
  expect((await once(second.child, 'exit'))[0]).toBe(0);
});
