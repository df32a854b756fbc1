/**
 * What the running server answers when a repository, a task, a run or a cursor is wrong: a clear
 * error that names the field and repeats nothing, or a run that ends with its reason.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INSTRUCTION_MAX_CHARS } from '../../packages/protocol/src/index.ts';
import { newId } from '../../packages/server/src/kernel/index.ts';
import { makeSite, type Site } from './harness/fuzz/site.ts';
import { RunsApi } from './harness/runs.ts';
import { type Stack, startStack } from './harness/stacks.ts';

const MEBIBYTE = 1024 * 1024;
/** Ends in some seconds by itself. */
const LONG = '[[simulate: steps 16]] [[simulate: slow 1500]] Write notes.';

let stack: Stack;
let site: Site;
let api: RunsApi;
let repoId: string;
beforeAll(async () => {
  site = await makeSite();
  stack = await startStack('embedded');
  api = new RunsApi(stack.url);
  repoId = (await api.sample()).id;
});
afterAll(async () => {
  await stack?.stop();
  await site?.remove();
});

interface Answer {
  readonly status: number;
  readonly body: { code?: string; detail?: string; field?: string; [name: string]: unknown };
  readonly text: string;
}

async function ask(method: string, path: string, body?: object, headers = {}): Promise<Answer> {
  const type = body && { 'content-type': 'application/json' };
  const answer = await api.request(path, {
    method,
    headers: { ...type, ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  const isJson = /json/.test(answer.headers.get('content-type') ?? '');
  return { status: answer.status, body: isJson ? JSON.parse(text) : {}, text };
}

async function count(path: string): Promise<number> {
  return (await api.get<{ data: unknown[] }>(path)).data.length;
}

const newTask = (instruction: string) =>
  api.post('/v1/tasks', { repo_id: repoId, title: 'A task', instruction });

describe('a repository', () => {
  it.each([
    ['on this machine', 'https://127.0.0.1/team/app.git'],
    ['by its name', 'https://localhost/team/app.git'],
    ['on a private address', 'https://10.1.2.3/team/app.git'],
    ['on a private address of version 6', 'https://[fd00::1]/team/app.git'],
    ['on a private address dressed up', 'https://[::ffff:169.254.169.254]/team/app.git'],
    ['by ssh on a private address', 'ssh://git@192.168.0.1/team/app.git'],
    ['as a file', 'file:///etc/passwd'],
    ['by a command', 'ext::sh -c touch% /tmp/owned'],
    ['by a command without spaces', 'ext::whoami'],
    ['as an option', '--upload-pack=touch'],
    ['with an option in it', 'ssh://-oProxyCommand=touch/app.git'],
    ['with an option for a path', 'https://example.com/--upload-pack=touch'],
    ['by plain http', 'http://example.com/team/app.git'],
    ['by scp-like syntax', 'git@example.com:team/app.git'],
    ['with a password', 'https://ann:secret-word@example.com/app.git'],
  ])('%s is refused and not kept', async (_name, url) => {
    const before = await count('/v1/repos?limit=100');
    const { status, body, text } = await ask('POST', '/v1/repos', { url });
    expect({ status, code: body.code, field: body.field }).toEqual({
      status: 422,
      code: 'unprocessable',
      field: 'url',
    });
    expect(text).not.toContain(url);
    expect(text).not.toContain('secret-word');
    expect(await count('/v1/repos?limit=100')).toBe(before);
  });

  it.each(['/etc', '/no/such/folder', 'relative', '../..', '--upload-pack=touch'])(
    'at %s is refused',
    async path => {
      const { status, body } = await ask('POST', '/v1/repos', { path });
      expect([status, body.code, body.field]).toEqual([422, 'unprocessable', 'path']);
    },
  );

  it.each(['--upload-pack=x', 'a..b', 'a b', '', '@{-1}'])(
    'cannot have a branch called %j',
    async default_branch => {
      const { status } = await ask('POST', '/v1/repos', { path: site.repository, default_branch });
      expect(status).toBe(400);
    },
  );

  it('that has no branch of the given name is refused and not kept, nor changed', async () => {
    const before = await count('/v1/repos?limit=100');
    const wrong = { default_branch: 'no-such-branch' };
    const answer = await ask('POST', '/v1/repos', { path: site.repository, ...wrong });
    expect([answer.status, answer.body.code, answer.body.field]).toEqual([
      ...[422, 'unprocessable', 'default_branch'],
    ]);
    expect(await count('/v1/repos?limit=100')).toBe(before);
    const { status, body } = await ask('PATCH', `/v1/repos/${repoId}`, wrong);
    expect([status, body.code, body.field]).toEqual([422, 'unprocessable', 'default_branch']);
    expect(await api.get(`/v1/repos/${repoId}`)).toMatchObject({ default_branch: 'main' });
    const same = { default_branch: 'main' };
    expect((await ask('PATCH', `/v1/repos/${repoId}`, same)).status).toBe(200);
  });

  it('without the branch of a run: the run ends with the reason', async () => {
    const task = await newTask('Write a note.');
    const wanted = { agents: ['builtin'], base_ref: 'no-such-branch' };
    const started = await ask('POST', `/v1/tasks/${task.id}/runs`, wanted);
    expect(started.status).toBe(202);
    const [run] = started.body.runs as { id: string }[];
    const events = await api.follow(run!.id);
    expect(events.at(-1)?.type).toBe('run.failed');
    expect(await api.run(run!.id)).toMatchObject({ status: 'failed', reason: 'workspace' });
  });
});

describe('an instruction', () => {
  it.each([
    ['is empty', ''],
    ['is blank', ' \n\t '],
    ['is a character too long', 'x'.repeat(INSTRUCTION_MAX_CHARS + 1)],
    ['is no text', 5],
  ])('that %s is refused', async (_name, instruction) => {
    const before = await count('/v1/tasks?limit=100');
    const task = { repo_id: repoId, title: 'A task', instruction };
    expect((await ask('POST', '/v1/tasks', task)).status).toBe(400);
    expect(await count('/v1/tasks?limit=100')).toBe(before);
  });

  it('of one mebibyte is refused before it is looked at', async () => {
    const instruction = 'x'.repeat(MEBIBYTE);
    const { status } = await ask('POST', '/v1/tasks', {
      repo_id: repoId,
      title: 'A task',
      instruction,
    });
    expect(status).toBe(413);
  });

  it('of the largest length is accepted', async () => {
    const longest = 'x'.repeat(INSTRUCTION_MAX_CHARS);
    const { id } = await newTask(longest);
    const { data } = await api.get<{ data: { instruction: string }[] }>(`/v1/tasks/${id}/messages`);
    expect(data.map(({ instruction }) => instruction.length)).toEqual([INSTRUCTION_MAX_CHARS]);
  });
});

describe('a run', () => {
  it('of an unknown agent is refused with the known ones, and no other starts', async () => {
    const { id } = await newTask('Write a note.');
    const wanted = { agents: ['builtin', 'missing'] };
    const { status, body } = await ask('POST', `/v1/tasks/${id}/runs`, wanted);
    expect([status, body.code, body.field]).toEqual([422, 'unprocessable', 'agents']);
    expect(body.allowed).toContain('builtin');
    expect(await count(`/v1/tasks/${id}/runs`)).toBe(0);
  });

  it.each(['no-such-model', 'gpt-realtime'])(
    'of the model %s is refused with the known ones, and none starts',
    async model => {
      const { id } = await newTask('Write a note.');
      const wanted = { agents: ['builtin'], model };
      const { status, body } = await ask('POST', `/v1/tasks/${id}/runs`, wanted);
      expect([status, body.code, body.field]).toEqual([400, 'unknown_model', 'model']);
      expect(body.allowed).toContain('gpt-5.1-codex');
      expect(body.allowed).not.toContain('gpt-realtime');
      expect(await count(`/v1/tasks/${id}/runs`)).toBe(0);
    },
  );

  it.each([[[]], [['--help']], [['../agent']], [Array(9).fill('builtin')]])(
    'of agents %j is refused',
    async agents => {
      const { id } = await newTask('Write a note.');
      expect((await ask('POST', `/v1/tasks/${id}/runs`, { agents })).status).toBe(400);
    },
  );

  it('that is canceled twice, and at once, is canceled once', async () => {
    const run = await api.working(LONG);
    const cancel = () => ask('POST', `/v1/runs/${run.id}/cancel`);
    const answers = await Promise.all([cancel(), cancel()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const events = await api.follow(run.id);
    expect((await cancel()).status).toBe(200);
    const named = (type: string) => events.filter(event => event.type === type).length;
    expect([named('run.cancel_requested'), named('run.canceled')]).toEqual([1, 1]);
    expect((await api.run(run.id)).last_seq).toBe(events.length);
  });
});

describe('a run that succeeded', () => {
  let id: string;
  let last: number;
  beforeAll(async () => {
    ({ id } = await api.working('Write a note.'));
    const events = await api.follow(id);
    expect(events.at(-1)?.type).toBe('run.succeeded');
    last = events.length;
  });

  it('is not tried again', async () => {
    const { status, body } = await ask('POST', `/v1/runs/${id}/retry`);
    expect([status, body.code]).toEqual([409, 'conflict']);
  });

  it('is not canceled any more', async () => {
    expect((await ask('POST', `/v1/runs/${id}/cancel`)).body.status).toBe('succeeded');
    expect((await api.run(id)).last_seq).toBe(last);
  });

  it.each(['x', '-1', '1.5', '1e3', '0x1', ' 1', '٣', '9'.repeat(16), '9'.repeat(5000)])(
    'has no event number %j, by header or query',
    async cursor => {
      const query = `?last_event_id=${encodeURIComponent(cursor)}`;
      expect((await ask('GET', `/v1/runs/${id}/stream${query}`)).status).toBe(400);
      if (!/^[\x21-\x7e]+$/.test(cursor)) return;
      const headers = { 'last-event-id': cursor };
      expect((await ask('GET', `/v1/runs/${id}/stream`, undefined, headers)).status).toBe(400);
    },
  );

  it('knows a cursor beyond its end from the one at its end', async () => {
    const beyond = await ask('GET', `/v1/runs/${id}/stream?last_event_id=${last + 1}`);
    expect([beyond.status, beyond.body.code]).toEqual([400, 'invalid_request']);
    expect((await ask('GET', `/v1/runs/${id}/stream?last_event_id=${last}`)).status).toBe(204);
    const { data } = await api.get<{ data: unknown[] }>(`/v1/runs/${id}/events?after=${last + 1}`);
    expect(data).toEqual([]);
    expect((await ask('GET', `/v1/runs/${id}/events?after=x`)).status).toBe(400);
  });

  it.each(['', 'x', 'run_1', `${newId('run')},x`, `${newId('run')}:x`, `${newId('run')}:1:2`])(
    'shares no stream of %j',
    async subjects => {
      const query = `?subjects=${encodeURIComponent(subjects)}`;
      expect((await ask('GET', `/v1/stream${query}`)).status).toBe(400);
    },
  );
});
