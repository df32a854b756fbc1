import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import { withRunsHost } from './testing/databases.ts';
import { CALLER, type RunsHost } from './testing/host.ts';

const BOB = { caller: 'Developer:bob:default' };
const VIEWER = { caller: 'Viewer:vic:default' };
const ADMIN = { caller: 'Admin:ada:default' };
const STRANGER = { caller: 'Admin:eve:elsewhere' };

withRunsHost(open => {
  let host: RunsHost;
  beforeAll(async () => {
    host = await open();
  });

  describe('who may not', () => {
    it('other projects find nothing by any request', async () => {
      const { id: task, repo_id: repo } = await host.newTask();
      const [run] = await host.newRuns('builtin');
      for (const [method, path, body] of [
        ['GET', `/v1/repos/${repo}`],
        ['PATCH', `/v1/repos/${repo}`, { name: 'x' }],
        ['DELETE', `/v1/repos/${repo}`],
        ['GET', `/v1/tasks/${task}`],
        ['PATCH', `/v1/tasks/${task}`, { title: 'x' }],
        ['GET', `/v1/tasks/${task}/messages`],
        ['POST', `/v1/tasks/${task}/messages`, { instruction: 'x' }],
        ['POST', `/v1/tasks/${task}/runs`, { agents: ['builtin'] }],
        ['GET', `/v1/tasks/${task}/runs`],
        ['POST', '/v1/tasks', { repo_id: repo, title: 'x', instruction: 'x' }],
        ['GET', `/v1/runs/${run}`],
        ['GET', `/v1/runs/${run}/events`],
        ['GET', `/v1/runs/${run}/patch`],
        ['GET', `/v1/runs/${run}/logs`],
        ['GET', `/v1/runs/${run}/artifacts`],
        ['POST', `/v1/runs/${run}/cancel`],
        ['POST', `/v1/runs/${run}/retry`],
        ['POST', `/v1/runs/${run}/pick`],
      ] as [string, string, unknown?][]) {
        const { status } = await host.send(method, path, body, STRANGER);
        expect([method, path, status]).toEqual([method, path, 404]);
      }
      for (const list of ['repos', 'tasks', 'runs']) {
        const { body } = await host.send('GET', `/v1/${list}`, undefined, STRANGER);
        expect(body).toEqual({ data: [], next_cursor: null });
      }
    });

    it('Viewers and colleagues read, but neither write nor see private text', async () => {
      const { id: task } = await host.newTask('a secret wish');
      const started = await host.send('POST', `/v1/tasks/${task}/runs`, { agents: ['builtin'] });
      const run = started.body.runs[0].id;
      for (const other of [VIEWER, BOB]) {
        const get = (path: string) => host.send('GET', path, undefined, other);
        expect((await get(`/v1/runs/${run}`)).body).toMatchObject({ id: run, summary: null });
        const { data } = (await get(`/v1/runs/${run}/events`)).body;
        const trace_id = expect.stringMatching(/^[0-9a-f]{32}$/);
        expect(data).toMatchObject([{ type: 'run.created', redacted: true, trace_id }]);
        expect(JSON.stringify(data)).not.toContain('a secret wish');
        const messages = await get(`/v1/tasks/${task}/messages`);
        expect(messages.body.data).toMatchObject([{ number: 1, instruction: null }]);
        expect((await get(`/v1/runs/${run}/logs`)).status).toBe(403);
        for (const [path, body] of [
          [`/v1/runs/${run}/cancel`],
          [`/v1/runs/${run}/retry`],
          [`/v1/runs/${run}/pick`],
          [`/v1/tasks/${task}/messages`, { instruction: 'x' }],
          [`/v1/tasks/${task}/runs`, { agents: ['builtin'] }],
        ] as [string, unknown?][]) {
          const { status } = await host.send('POST', path, body, other);
          expect([other.caller, path, status]).toEqual([other.caller, path, 403]);
        }
      }
      expect((await host.send('GET', `/v1/runs/${run}`)).body.status).toBe('queued');
    });

    it("an Admin's reading of private text is on record", async () => {
      const [run] = await host.newRuns('builtin');
      host.audited.length = 0;
      const { body } = await host.send('GET', `/v1/runs/${run}/events`, undefined, ADMIN);
      expect(body.data[0].data.instruction).toBe('Do it.');
      expect(host.audited).toMatchObject([
        { principal: 'ada', action: 'runs.events', target: run },
      ]);
      await host.send('POST', `/v1/runs/${run}/cancel`, undefined, ADMIN);
      expect(host.audited.at(-1)).toMatchObject({ action: 'runs.control', target: run });
    });
  });

  it('goes from a repository to a picked run', async () => {
    const repo = await host.send('POST', '/v1/repos', {
      url: 'https://git.test/team/my-app.git',
      default_branch: 'main',
      test_command: 'npm test',
    });
    expect(repo).toMatchObject({
      status: 201,
      body: { name: 'my-app', url: 'https://git.test/team/my-app.git', default_branch: 'main' },
    });
    const task = await host.send('POST', '/v1/tasks', {
      repo_id: repo.body.id,
      title: 'T',
      instruction: 'Change it.',
    });
    expect(task).toMatchObject({ status: 201, body: { column: 'todo', picked_run_id: null } });
    const started = await host.send('POST', `/v1/tasks/${task.body.id}/runs`, {
      agents: ['builtin', 'other'],
      base_ref: 'main',
    });
    expect(started.status).toBe(202);
    expect(started.body).toEqual({
      runs: [
        { id: expect.stringMatching(/^run_/), agent: 'builtin', status: 'queued' },
        { id: expect.stringMatching(/^run_/), agent: 'other', status: 'queued' },
      ],
    });
    const id = started.body.runs[0].id;
    const run = await host.send('GET', `/v1/runs/${id}`);
    expect(run.body).toMatchObject({
      id,
      task_id: task.body.id,
      agent: 'builtin',
      status: 'queued',
      reason: null,
      attempt: 0,
      files_changed: [],
      base_ref: 'main',
      cost_usd: null,
      last_seq: 1,
    });
    const listed = await host.send('GET', `/v1/tasks/${task.body.id}`);
    expect(listed.body).toMatchObject({ column: 'in_progress', runs: { queued: 2 } });
    const depth = await host.queue.depth();
    expect(depth.find(one => one.name === 'agent')?.queued).toBeGreaterThanOrEqual(2);
    expect((await host.send('GET', `/v1/runs/${id}/patch`)).status).toBe(404);
  });

  it('pages lists, newest first, and filters by column', async () => {
    const { repo_id, id: first } = await host.newTask();
    const more = { repo_id, title: 'B', instruction: 'x' };
    const second = (await host.send('POST', '/v1/tasks', more)).body.id;
    const get = async (query: string) =>
      (await host.send('GET', `/v1/tasks?repo_id=${repo_id}&${query}`)).body;
    const page = await get('limit=1');
    expect(page.data.map((task: { id: string }) => task.id)).toEqual([second]);
    const next = await get(`limit=1&cursor=${page.next_cursor}`);
    expect(next).toMatchObject({ data: [{ id: first }], next_cursor: null });
    await host.send('PATCH', `/v1/tasks/${first}`, { column: 'backlog', title: 'A2' });
    expect(await get('column=backlog')).toMatchObject({ data: [{ id: first, title: 'A2' }] });
    expect((await get('column=todo')).data).toHaveLength(1);
    expect((await host.send('GET', '/v1/tasks?cursor=eHh4')).status).toBe(400);
    const wrong = await host.send('PATCH', `/v1/tasks/${first}`, { column: 'in_review' });
    expect(wrong.status).toBe(400);
  });

  it('reopens a task when a run starts, but not an archived one', async () => {
    for (const [chosen, after] of [
      ['backlog', 'in_review'],
      ['archived', 'archived'],
    ]) {
      const { id } = await host.newTask();
      await host.send('PATCH', `/v1/tasks/${id}`, { column: chosen });
      const { body } = await host.send('POST', `/v1/tasks/${id}/runs`, { agents: ['builtin'] });
      await host.send('POST', `/v1/runs/${body.runs[0].id}/cancel`);
      expect((await host.send('GET', `/v1/tasks/${id}`)).body.column).toBe(after);
    }
  });

  describe('a key', () => {
    it('does a request once that was sent twice at once', async () => {
      const { id, repo_id } = await host.newTask();
      const headers = { 'idempotency-key': crypto.randomUUID() };
      const twice = (path: string, body: unknown) =>
        Promise.all([1, 2].map(() => host.send('POST', path, body, { headers })));
      const repos = await twice('/v1/repos', { url: 'https://git.test/once' });
      expect(new Set(repos.map(answer => answer.body.id)).size).toBe(1);
      const tasks = await twice('/v1/tasks', { repo_id, title: 'once', instruction: 'x' });
      expect(new Set(tasks.map(answer => answer.body.id)).size).toBe(1);
      expect(tasks.map(answer => answer.status)).toEqual([201, 201]);
      const runs = await twice(`/v1/tasks/${id}/runs`, { agents: ['builtin'], instruction: 'y' });
      expect(runs[0]).toEqual(runs[1]);
      expect(runs[0]?.status).toBe(202);
      expect((await host.send('GET', `/v1/tasks/${id}`)).body.runs.queued).toBe(1);
      const messages = await twice(`/v1/tasks/${id}/messages`, { instruction: 'z' });
      expect(messages[0]?.body).toMatchObject({ number: 3, instruction: 'z' });
      expect(messages[0]).toEqual(messages[1]);
    });

    it('may stand on changes too', async () => {
      const [run] = await host.newRuns('builtin');
      const headers = { 'idempotency-key': 'k-cancel' };
      const cancel = (body?: object) =>
        host.send('POST', `/v1/runs/${run}/cancel`, body, { headers });
      const answers = await Promise.all([cancel(), cancel()]);
      expect(answers.map(({ body }) => body.status)).toEqual(['canceled', 'canceled']);
      expect((await cancel({ why: 'x' })).status).toBe(409);
      expect((await host.send('GET', `/v1/runs/${run}`)).body.last_seq).toBe(3);
    });

    it('is refused with another body, and is one per principal', async () => {
      const headers = { 'idempotency-key': 'k1' };
      const post = (name: string, caller?: string) =>
        host.send(
          'POST',
          '/v1/repos',
          { url: 'https://git.test/a', name },
          { headers, ...(caller && { caller }) },
        );
      const first = await post('a');
      expect((await post('a')).body).toEqual(first.body);
      expect(await post('b')).toMatchObject({ status: 409, body: { field: 'idempotency-key' } });
      const other = await post('b', BOB.caller);
      expect(other.status).toBe(201);
      expect(other.body.id).not.toBe(first.body.id);
    });

    it.each(['', ' ', 'x'.repeat(201)])('like %j is refused', async key => {
      const { status } = await host.send(
        'POST',
        '/v1/repos',
        { url: 'https://git.test/a' },
        { headers: { 'idempotency-key': key } },
      );
      expect(status).toBe(400);
    });
  });

  it('cancels a run that waits, and adds no event for a second request', async () => {
    const [run] = await host.newRuns('builtin');
    for (let round = 0; round < 2; round += 1) {
      const canceled = await host.send('POST', `/v1/runs/${run}/cancel`);
      expect(canceled).toMatchObject({
        status: 200,
        body: { status: 'canceled', reason: 'canceled' },
      });
    }
    const { body } = await host.send('GET', `/v1/runs/${run}/events`);
    expect(body.data.map((event: { type: string }) => event.type)).toEqual([
      'run.created',
      'run.cancel_requested',
      'run.canceled',
    ]);
    const claimed = await host.runs.driver.claim(run!);
    expect(claimed.kind).toBe('ended');
  });

  it('refuses senseless requests with clear errors', async () => {
    const { id } = await host.newTask();
    const start = (body: object) => host.send('POST', `/v1/tasks/${id}/runs`, body);
    expect(await start({ agents: ['unknown'] })).toMatchObject({
      status: 422,
      body: { field: 'agents', allowed: ['builtin', 'other'] },
    });
    expect((await start({ agents: [] })).status).toBe(400);
    expect((await start({ agents: ['builtin'], instruction: ' ' })).status).toBe(400);
    expect((await start({ agents: ['builtin'], instruction: 'x'.repeat(1e6) })).status).toBe(400);
    expect((await start({ agents: ['builtin'], base_ref: '--upload-pack=x' })).status).toBe(400);
    expect((await start({ agents: ['builtin'], message_id: 'msg_x' })).status).toBe(422);
    expect((await start({ agents: ['builtin'], continues: 'run_x' })).status).toBe(422);
    const [run] = await host.newRuns('builtin');
    expect((await host.send('POST', `/v1/runs/${run}/retry`)).status).toBe(409);
    expect((await host.send('POST', `/v1/runs/${run}/pick`)).status).toBe(409);
  });

  it('starts nothing on an archived repository, whose tasks stay readable', async () => {
    const { id, repo_id } = await host.newTask();
    expect((await host.send('DELETE', `/v1/repos/${repo_id}`)).status).toBe(204);
    expect((await host.send('DELETE', `/v1/repos/${repo_id}`)).status).toBe(204);
    const task = { repo_id, title: 'T', instruction: 'x' };
    expect((await host.send('POST', '/v1/tasks', task)).status).toBe(409);
    const start = await host.send('POST', `/v1/tasks/${id}/runs`, { agents: ['builtin'] });
    expect(start.status).toBe(409);
    expect((await host.send('GET', `/v1/tasks/${id}`)).status).toBe(200);
  });

  it('describes itself', async () => {
    const { body } = await host.send('GET', '/openapi.json');
    for (const path of ['/v1/repos/{id}', '/v1/tasks/{id}/runs', '/v1/runs/{id}/stream']) {
      expect(Object.keys(body.paths)).toContain(path);
    }
    const { requestBody } = body.paths['/v1/tasks/{id}/runs'].post;
    expect(JSON.stringify(requestBody)).toContain('base_ref');
  });

  it('shows queue, workers and agents', async () => {
    const { body } = await host.send('GET', '/v1/queue');
    expect(body.queues.map((queue: { name: string }) => queue.name)).toEqual(['agent', 'push']);
    expect(body.workers).toMatchObject([{ replica: host.leases.replica, running: 0 }]);
    expect((await host.send('GET', '/v1/agents')).body.data).toHaveLength(2);
    expect((await host.send('POST', '/v1/queue/redrive', {}, ADMIN)).body).toEqual({ redriven: 0 });
  });

  it('starts an earlier message of the task, and none of another', async () => {
    const { id, repo_id } = await host.newTask('First.');
    const [earlier] = (await host.send('GET', `/v1/tasks/${id}/messages`)).body.data;
    await host.send('POST', `/v1/tasks/${id}/messages`, { instruction: 'Second.' });
    const start = (message_id: string) =>
      host.send('POST', `/v1/tasks/${id}/runs`, { agents: ['builtin'], message_id });
    const started = await start(earlier.id);
    expect(started.status).toBe(202);
    const run = await host.claim(started.body.runs[0].id);
    expect(run).toMatchObject({ message_id: earlier.id, messageNumber: 1, instruction: 'First.' });
    const other = { repo_id, title: 'T', instruction: 'Not this one.' };
    const { id: otherTask } = (await host.send('POST', '/v1/tasks', other)).body;
    const [foreign] = (await host.send('GET', `/v1/tasks/${otherTask}/messages`)).body.data;
    expect(await start(foreign.id)).toMatchObject({ status: 422, body: { field: 'message_id' } });
  });

  it('starts no message, and continues no run, that the caller may not read', async () => {
    const { id } = await host.newTask('Mine.');
    const path = `/v1/tasks/${id}`;
    const secret = { instruction: 'Only for Admins.' };
    const { body: theirs } = await host.send('POST', `${path}/messages`, secret, ADMIN);
    const start = (body: object, caller = {}) =>
      host.send('POST', `${path}/runs`, { agents: ['builtin'], ...body }, caller);
    expect(await start({ message_id: theirs.id })).toMatchObject({
      status: 422,
      body: { field: 'message_id' },
    });
    const newest = await start({});
    const run = await host.claim(newest.body.runs[0].id);
    expect(run).toMatchObject({ messageNumber: 1, instruction: 'Mine.' });
    const byAdmin = (await start({ message_id: theirs.id }, ADMIN)).body.runs[0].id;
    expect(await host.claim(byAdmin)).toMatchObject(secret);
    await host.send('POST', `/v1/runs/${byAdmin}/cancel`, {}, ADMIN);
    expect(await start({ continues: byAdmin })).toMatchObject({
      status: 422,
      body: { field: 'continues' },
    });
  });

  it('authorises before it reports an unreadable key', async () => {
    const { id } = await host.newTask();
    const altered = sql`update subject_keys set wrapped = '\\x00' where subject = ${id}`;
    await altered.execute(host.database.db);
    const start = (caller: string) =>
      host.send('POST', `/v1/tasks/${id}/runs`, { agents: ['builtin'] }, { caller });
    expect((await start('Developer:eve:other')).status).toBe(404);
    expect((await start(CALLER)).status).toBe(500);
  });
});
