import type { Session } from '@holdfast/protocol';
/**
 * Access to the application as it is composed: every route and upgrade it registers,
 * walked by every kind of caller, against the policy table.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPolicy, POLICIES } from '../../packages/server/src/auth/index.ts';
import { type WalkStep, walk, wrongSteps } from '../../packages/server/src/auth/testing/walk.ts';
import type { RouteInfo } from '../../packages/server/src/http/index.ts';
import { newId } from '../../packages/server/src/kernel/index.ts';
import { type AccessWorld, startAccessWorld } from './harness/access-world.ts';
import { UPLOAD_TYPE, uploadBody } from './harness/owned-things.ts';
import { offerCall } from './harness/webrtc.ts';

let world: AccessWorld;
beforeAll(async () => {
  world = await startAccessWorld();
});
afterAll(() => world?.stop());

/** Upgrades whose handler asks for more than their row, because of what their URL names. */
const NARROWER: Readonly<Record<string, string>> = {
  '/api/v1/realtime/webrtc/:session_id': 'realtime.control',
};
const SIDEBANDS: readonly RouteInfo[] = ['/v1/realtime', '/openai/v1/realtime'].map(path => ({
  method: 'WS',
  url: `${path}?call_id=:id`,
  policy: 'realtime.sideband',
  errors: 'openai',
}));

function routes(): RouteInfo[] {
  const registered = world.application.http.routes().map(route => ({
    ...route,
    policy: (route.method === 'WS' && NARROWER[route.url]) || route.policy,
  }));
  return [...registered, ...SIDEBANDS];
}

/** The owner of a thing is checked only once the request is valid. */
const PAYLOADS: Readonly<Record<string, object>> = {
  ...Object.fromEntries(
    ['/v1/realtime', '/openai/v1/realtime'].flatMap(base => [
      [`POST ${base}/calls/:id/accept`, { type: 'realtime', model: 'gpt-realtime' }],
      [`POST ${base}/calls/:id/refer`, { target_uri: 'tel:+15550123' }],
    ]),
  ),
  'PATCH /v1/repos/:id': { name: 'another' },
  'PATCH /v1/tasks/:id': { title: 'Another' },
  'POST /v1/tasks/:id/messages': { instruction: 'And this.' },
  'POST /v1/tasks/:id/runs': { agents: ['builtin'] },
};

const closedRoutes = () => routes().filter(route => !findPolicy(route.policy)?.public);
const fill = (url: string, id: string) => url.replace(/:\w+/, id).replace('*', 'x');

describe('without a valid credential', () => {
  it('every closed route gives the same answer and opens nothing upstream', async () => {
    const before = await world.upstreamSessions();
    const texts = new Map<string, Set<string>>();
    let asked = 0;
    for (const route of closedRoutes()) {
      for (const [label, headers] of world.bad) {
        const answer = await world.ask(route.method, fill(route.url, newId('ses')), headers);
        expect([route.method, route.url, label, answer.status]).toEqual([
          route.method,
          route.url,
          label,
          401,
        ]);
        if (route.method === 'HEAD') continue;
        const seen = texts.get(route.errors) ?? new Set();
        texts.set(route.errors, seen.add(answer.body));
        asked += 1;
      }
    }
    expect(asked).toBeGreaterThan(400);
    expect([...texts].map(([shape, seen]) => [shape, seen.size])).toEqual([
      ['problem', 1],
      ['openai', 1],
      ['anthropic', 1],
      ['google', 1],
    ]);
    expect([...texts.values()].flatMap(seen => [...seen]).join()).not.toMatch(/revoked|unknown/i);
    expect(await world.upstreamSessions()).toBe(before);
  });

  it('health and metrics are read all the same, and name nobody', async () => {
    const owner = world.caller('Developer in default').principal;
    const session = await world.things.of('session', owner);
    for (const path of ['/health', '/metrics']) {
      const { status, body } = await world.ask('GET', path);
      expect([path, status]).toEqual([path, 200]);
      for (const name of [owner.id, owner.projectId, session]) expect(body).not.toContain(name);
    }
  });

  it.each([
    ['a subprotocol', (key: string) => ['', { 'sec-websocket-protocol': subprotocol(key) }]],
    ['a query value', (key: string) => [`&api-key=${key}`, {}]],
  ] as [string, (key: string) => [string, Record<string, string>]][])(
    'upgrades that show an unknown key by %s are refused like all others',
    async (_name, present) => {
      const [query, headers] = present(`ek_${'x'.repeat(43)}`);
      const shown = await world.ask('WS', `/v1/realtime?model=gpt-realtime${query}`, headers);
      expect(shown).toEqual(await world.ask('WS', '/v1/realtime?model=gpt-realtime'));
      expect(shown.status).toBe(401);
    },
  );
});

function subprotocol(key: string): string {
  return `realtime, openai-insecure-api-key.${key}`;
}

describe('the policy table', () => {
  it('has a row for every route, and no row that no route uses', () => {
    const used = new Set(routes().map(route => route.policy));
    expect([...used].filter(policy => findPolicy(policy) === undefined)).toEqual([]);
    expect(Object.keys(POLICIES).filter(policy => !used.has(policy))).toEqual([]);
  });

  it('lets strangers in where it is meant to, and nowhere else', () => {
    // The console's own files are as many as its build has.
    const open = routes().filter(
      ({ method, policy }) =>
        findPolicy(policy)?.public && policy !== 'public.console' && method !== 'HEAD',
    );
    expect(open.map(({ method, url }) => `${method} ${url}`).toSorted()).toEqual([
      ...['GET /auth/callback', 'GET /auth/local', 'GET /auth/login', 'GET /blobs/*'],
      ...['GET /health', 'GET /health/', 'GET /livez', 'GET /metrics', 'GET /openapi.json'],
      ...['GET /readyz', 'OPTIONS *', 'POST /auth/backchannel-logout', 'POST /auth/logout'],
      'POST /v1/realtime/webhook',
    ]);
    const files = routes().filter(({ policy }) => policy === 'public.console');
    expect(new Set(files.map(({ method }) => method))).toEqual(new Set(['GET', 'HEAD']));
  });

  it('decides access: every route × caller × owner × project', async () => {
    const before = await world.upstreamSessions();
    const upload = await uploadBody();
    const { application, port, callers, things } = world;
    const steps = await walk({
      http: { ...application.http, routes },
      port,
      callers,
      thing: (route, owner) => things.forRoute(route, owner),
      request: ({ method, url }) => ({
        ...(method === 'WS' && !url.includes('?') && { query: '?model=gpt-realtime' }),
        ...(url === '/audio/upload' && { payload: upload }),
        ...(PAYLOADS[`${method} ${url}`] && { payload: PAYLOADS[`${method} ${url}`]! }),
      }),
    });
    expect(wrongSteps(steps)).toEqual([]);
    expect(new Set(steps.map(step => step.expected))).toEqual(
      new Set([401, 403, 404, 'in', 'alike']),
    );
    expect(new Set(steps.map(step => step.route)).size).toBe(
      routes().filter(({ method }) => method !== 'HEAD' && method !== 'OPTIONS').length,
    );
    const connecting = (step: WalkStep) => step.expected === 'in' && /^WS|calls/.test(step.route);
    const opened = (await world.upstreamSessions()) - before;
    // Owners' calls, of which there is one each, came about outside of the steps.
    expect(opened).toBeLessThanOrEqual(steps.filter(connecting).length + callers.length);
    expect(opened).toBeGreaterThan(0);
  });
});

describe('things of other users', () => {
  const about: [string, string, Parameters<AccessWorld['things']['of']>[0]][] = [
    ['GET', '/v1/sessions/:id', 'session'],
    ['GET', '/v1/sessions/:id/events', 'session'],
    ['POST', '/v1/sessions/:id/end', 'session'],
    ['DELETE', '/v1/sessions/:id', 'session'],
    ['GET', '/v1/sessions/:id/recordings', 'session'],
    ['POST', '/audio/upload', 'upload'],
    ['GET', '/v1/recordings/:id', 'recording'],
    ['GET', '/v1/recordings/:id/audio', 'recording'],
    ['DELETE', '/v1/recordings/:id', 'recording'],
    ['DELETE', '/v1/api-keys/:id', 'key'],
    ['DELETE', '/v1/budgets/:id', 'budget'],
    ['DELETE', '/v1/provider-keys/:id', 'provider_key'],
    ['GET', '/v1/repos/:id', 'repo'],
    ['PATCH', '/v1/repos/:id', 'repo'],
    ['DELETE', '/v1/repos/:id', 'repo'],
    ['POST', '/v1/tasks', 'repo'],
    ['GET', '/v1/tasks/:id', 'task'],
    ['PATCH', '/v1/tasks/:id', 'task'],
    ['GET', '/v1/tasks/:id/messages', 'task'],
    ['POST', '/v1/tasks/:id/messages', 'task'],
    ['GET', '/v1/tasks/:id/runs', 'task'],
    ['POST', '/v1/tasks/:id/runs', 'task'],
    ['GET', '/v1/runs/:id', 'run'],
    ['GET', '/v1/runs/:id/events', 'run'],
    ['GET', '/v1/runs/:id/stream', 'run'],
    ['GET', '/v1/stream?subjects=:id', 'run'],
    ['POST', '/v1/stream/tickets', 'run'],
    ['POST', '/v1/runs/:id/cancel', 'run'],
    ['POST', '/v1/runs/:id/retry', 'run'],
    ['POST', '/v1/runs/:id/pick', 'run'],
    ['GET', '/v1/runs/:id/patch', 'run'],
    ['GET', '/v1/runs/:id/logs', 'run'],
    ['GET', '/v1/runs/:id/artifacts', 'run'],
    ['POST', '/v1/realtime/calls/:id/hangup', 'call'],
    ['POST', '/openai/v1/realtime/calls/:id/hangup', 'call'],
    ['WS', '/api/v1/realtime/webrtc/:id', 'session'],
    ['WS', '/v1/realtime?call_id=:id', 'call'],
    ['WS', '/openai/v1/realtime?call_id=:id', 'call'],
  ];
  const PREFIX = {
    session: 'ses',
    upload: 'ses',
    recording: 'rec',
    key: 'key',
    budget: 'bdg',
    provider_key: 'pvk',
    call: 'rtc',
    repo: 'rpo',
    task: 'tsk',
    run: 'run',
  } as const;
  /** Valid bodies, some of which name the thing. */
  const bodyOf = (method: string, url: string, id: string): object | undefined => {
    if (url === '/v1/tasks') return { repo_id: id, title: 'A task', instruction: 'Do it.' };
    if (url === '/v1/stream/tickets') return { subjects: [id] };
    return PAYLOADS[`${method} ${url}`];
  };

  it.each(about)(
    '%s %s tells foreign ones from absent ones by nothing',
    async (method, url, kind) => {
      const owner = world.caller('Developer in default').principal;
      const stranger = world.caller('Admin in walk');
      const foreign = await world.things.of(kind, owner);
      const answers = new Set<string>();
      for (const id of [foreign, newId(PREFIX[kind]), `${PREFIX[kind]}_${'0'.repeat(32)}`]) {
        const upload = kind === 'upload' && {
          'session-id': id,
          'content-type': 'multipart/form-data; boundary=x',
        };
        const body = bodyOf(method, url, id);
        const json = body && { 'content-type': 'application/json' };
        const headers = { ...stranger.headers, ...upload, ...json };
        const payload = body && Buffer.from(JSON.stringify(body));
        const answer = await world.ask(method, url.replace(':id', id), headers, payload);
        expect([id, answer.status]).toEqual([id, 404]);
        answers.add(answer.body);
      }
      expect(answers.size).toBe(1);
      // It still exists, for callers who may see it.
      expect(await world.things.of(kind, owner)).toBe(foreign);
    },
  );

  it.each([
    ['/v1/sessions?limit=100', 'session'],
    ['/v1/api-keys?limit=100', 'key'],
    ['/v1/audit?limit=100', 'key'],
    ['/v1/repos?limit=100', 'repo'],
    ['/v1/tasks?limit=100', 'task'],
    ['/v1/runs?limit=100', 'run'],
  ] as const)('stand in no list of another project: %s', async (url, kind) => {
    const id = await world.things.of(kind, world.caller('Admin in default').principal);
    const list = async (label: string) => world.ask('GET', url, world.caller(label).headers);
    expect((await list('Admin in default')).body).toContain(id);
    const seen = await list('Admin in walk');
    expect([seen.status, seen.body.includes(id)]).toEqual([200, false]);
  });

  it('projects that exist look the same as those that do not', async () => {
    const token = await world.issuer.token({ sub: 'dan', roles: ['Developer'] });
    const texts = [];
    for (const project of ['walk', 'no-such-project']) {
      const headers = { authorization: `Bearer ${token}`, 'x-holdfast-project': project };
      texts.push(await world.ask('GET', '/v1/sessions', headers));
    }
    expect(texts[0]).toEqual(texts[1]);
    expect(texts[0]!.status).toBe(403);
  });

  it('the key of a session has that session’s recordings, and nothing else', async () => {
    const creator = world.caller('Developer in default').headers;
    const open = async () => {
      const { body } = await world.ask('POST', '/sessions', creator);
      const { id, client_secret } = JSON.parse(body) as {
        id: string;
        client_secret: { value: string };
      };
      return { id, headers: { authorization: `Bearer ${client_secret.value}` } };
    };
    const [mine, other] = [await open(), await open()];
    const upload = async (session: string, headers: Record<string, string>) => {
      const body = await uploadBody();
      const named = { ...headers, ...UPLOAD_TYPE, 'session-id': session };
      return world.ask('POST', '/audio/upload', named, body);
    };
    const foreign = await upload(other.id, creator);
    const foreignId = (JSON.parse(foreign.body) as { audio_id: string }).audio_id;
    expect((await upload(other.id, mine.headers)).status).toBe(404);
    for (const [method, path, status] of [
      ['GET', `/v1/sessions/${other.id}/recordings`, 404],
      ['GET', `/v1/recordings/${foreignId}/audio`, 404],
      ['GET', `/v1/sessions/${mine.id}`, 403],
      ['GET', '/v1/sessions', 403],
      ['GET', '/v1/limits', 403],
      ['POST', '/sessions', 403],
    ] as const) {
      expect([path, (await world.ask(method, path, mine.headers)).status]).toEqual([path, status]);
    }
    const shown = async () =>
      JSON.parse((await world.ask('GET', `/v1/sessions/${mine.id}`, creator)).body) as Session;
    expect((await shown()).last_activity_at).toBeNull();
    const sent = await upload(mine.id, mine.headers);
    expect(sent.status).toBe(201);
    const id = (JSON.parse(sent.body) as { audio_id: string }).audio_id;
    expect((await shown()).last_activity_at).not.toBeNull();
    for (const path of [
      `/v1/sessions/${mine.id}/recordings`,
      `/v1/recordings/${id}`,
      `/v1/recordings/${id}/audio`,
    ]) {
      expect([path, (await world.ask('GET', path, mine.headers)).status]).toEqual([path, 200]);
    }
    expect((await world.ask('DELETE', `/v1/recordings/${id}`, mine.headers)).status).toBe(403);
  });

  it('a client secret ends the call that it placed, and no other of its creator', async () => {
    const creator = world.caller('Developer in default').headers;
    const mint = async () => {
      const { body } = await world.ask('POST', '/v1/realtime/client_secrets', creator);
      return { authorization: `Bearer ${(JSON.parse(body) as { value: string }).value}` };
    };
    const [mine, other] = [await mint(), await mint()];
    const call = await offerCall();
    const answer = await world.application.http.app.inject({
      method: 'POST',
      url: '/v1/realtime/calls',
      headers: { ...mine, 'content-type': 'application/sdp' },
      payload: call.sdp,
    });
    await call.close();
    expect(answer.statusCode).toBe(201);
    const hangUp = `${answer.headers.location}/hangup`;
    const sideband = `/v1/realtime?call_id=${hangUp.split('/').at(-2)}`;
    expect((await world.ask('POST', hangUp, other)).status).toBe(404);
    expect((await world.ask('WS', sideband, mine)).status).toBe(403);
    expect((await world.ask('POST', hangUp, mine)).status).toBe(200);
  });
});
