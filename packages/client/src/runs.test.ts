import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createClient } from './client.ts';
import { HASTY, sendJson, sendProblem, startServer, type TestServer } from './testing/server.ts';

let server: TestServer;
let client: ReturnType<typeof createClient>;
let failing = 0;

beforeAll(async () => {
  server = await startServer((asked, response) => {
    if (failing-- > 0) return sendProblem(response, { status: 503, code: 'unavailable' });
    if (asked.url.endsWith('/patch')) return void response.end('diff --git a/x b/x\n');
    if (asked.url.endsWith('/logs')) return void response.end('I read sum.js.\n');
    sendJson(response, { id: 'x', data: [], runs: [], redriven: 2, next_cursor: null });
  });
  client = createClient({ baseUrl: server.url, retry: HASTY });
});
beforeEach(() => {
  failing = 0;
});
afterAll(() => server.close());

const task = { repo_id: 'rpo_1', title: 'Fix', instruction: 'Fix the test.' };

describe('the routes of runs', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['GET /v1/repos', () => client.repos.list()],
    ['GET /v1/repos/rpo_1', () => client.repos.get('rpo_1')],
    ['POST /v1/repos', () => client.repos.create({ url: 'https://git.test/a.git' })],
    ['PATCH /v1/repos/rpo_1', () => client.repos.update('rpo_1', { test_command: null })],
    [
      'GET /v1/tasks?repo_id=rpo_1&column=todo',
      () => client.tasks.list({ repo_id: 'rpo_1', column: 'todo' }),
    ],
    ['GET /v1/tasks/tsk_1', () => client.tasks.get('tsk_1')],
    ['POST /v1/tasks', () => client.tasks.create(task)],
    ['GET /v1/tasks/tsk_1/messages', () => client.tasks.messages('tsk_1')],
    [
      'POST /v1/tasks/tsk_1/messages',
      () => client.tasks.addMessage('tsk_1', { instruction: 'More.' }),
    ],
    ['GET /v1/tasks/a%2Fb/runs?limit=5', () => client.tasks.runs('a/b', { limit: 5 })],
    ['POST /v1/tasks/tsk_1/runs', () => client.tasks.start('tsk_1', { agents: ['builtin'] })],
    ['PATCH /v1/tasks/tsk_1', () => client.tasks.update('tsk_1', { column: 'archived' })],
    ['DELETE /v1/repos/rpo_1', () => client.repos.archive('rpo_1')],
    ['GET /v1/runs?status=failed', () => client.runs.list({ status: 'failed' })],
    ['GET /v1/runs/run_1', () => client.runs.get('run_1')],
    ['GET /v1/runs/run_1/events?after=7', () => client.runs.events('run_1', { after: 7 })],
    ['POST /v1/runs/run_1/cancel', () => client.runs.cancel('run_1')],
    ['POST /v1/runs/run_1/retry', () => client.runs.retry('run_1')],
    ['POST /v1/runs/run_1/pick', () => client.runs.pick('run_1')],
    ['POST /v1/runs/run_1/push', () => client.runs.push('run_1')],
    ['GET /v1/runs/run_1/artifacts', () => client.runs.artifacts('run_1')],
    ['GET /v1/agents', () => client.agents()],
    ['GET /v1/queue', () => client.queue.get()],
    ['POST /v1/queue/redrive', () => client.queue.redrive()],
    ['GET /v1/budgets', () => client.budgets.list()],
    ['PUT /v1/budgets', () => client.budgets.set({ scope: 'run', limit_usd: 2 })],
    ['DELETE /v1/budgets/bdg_1', () => client.budgets.remove('bdg_1')],
    ['GET /v1/limits', () => client.limits.list()],
    ['PUT /v1/limits', () => client.limits.set({ subject: 'project', max_sessions: 20 })],
    ['GET /v1/hosted-tools', () => client.hostedTools.get()],
    ['PUT /v1/hosted-tools', () => client.hostedTools.set({ allowed: ['mcp'] })],
    ['GET /v1/provider-keys', () => client.providerKeys.list()],
    [
      'POST /v1/provider-keys',
      () => client.providerKeys.create({ provider: 'openai', name: 'Ours', key: 'k'.repeat(16) }),
    ],
    ['DELETE /v1/provider-keys/pvk_1', () => client.providerKeys.revoke('pvk_1')],
    ['POST /v1/stream/tickets', () => client.streamTicket(['run_1'])],
  ])('%s', async (expected, act) => {
    await act();
    const last = server.asked.at(-1);
    expect(`${last?.method} ${last?.url}`).toBe(expected);
  });

  it('read a patch as text and name its address', async () => {
    expect(await client.runs.patch('run_1')).toBe('diff --git a/x b/x\n');
    expect(server.asked.at(-1)?.headers.accept).toBe('text/x-diff');
    expect(client.runs.patchUrl('run_1')).toBe(`${server.url}/v1/runs/run_1/patch`);
  });

  it('read a log as text and name its address', async () => {
    expect(await client.runs.logs('run_1')).toBe('I read sum.js.\n');
    expect(server.asked.at(-1)?.headers.accept).toBe('text/plain');
    expect(client.runs.logsUrl('run_1')).toBe(`${server.url}/v1/runs/run_1/logs`);
  });
});

describe('dead letters', () => {
  it('are put back one by one or all at once', async () => {
    expect(await client.queue.redrive()).toBe(2);
    expect(String(server.asked.at(-1)?.body)).toBe('{}');
    await client.queue.redrive('job-1');
    expect(String(server.asked.at(-1)?.body)).toBe('{"job_id":"job-1"}');
  });
});

describe('what creates or changes something', () => {
  it('is tried again with the same key and the same body', async () => {
    failing = 2;
    const from = server.asked.length;
    await client.tasks.create(task);
    const asked = server.asked.slice(from);
    expect(asked).toHaveLength(3);
    expect(asked[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(asked.map(one => one.headers['idempotency-key'])).size).toBe(1);
    expect(new Set(asked.map(one => String(one.body))).size).toBe(1);
  });

  it('is tried again without a key where twice is the same as once', async () => {
    failing = 1;
    const from = server.asked.length;
    await client.budgets.set({ scope: 'run', limit_usd: 2 });
    expect(server.asked.length - from).toBe(2);
    expect(server.asked.at(-1)?.headers['idempotency-key']).toBeUndefined();
  });

  it('has a new key each time it is asked for', async () => {
    const from = server.asked.length;
    await client.runs.cancel('run_1');
    await client.runs.cancel('run_1');
    const keys = server.asked.slice(from).map(one => one.headers['idempotency-key']);
    expect(new Set(keys).size).toBe(2);
  });

  it('is asked for once where the server keeps no keys', async () => {
    failing = 1;
    const from = server.asked.length;
    await expect(client.queue.redrive()).rejects.toMatchObject({ status: 503 });
    expect(server.asked.length - from).toBe(1);
    expect(server.asked.at(-1)?.headers['idempotency-key']).toBeUndefined();
  });
});
