/** What sessions cost, as the API shows it, and how budgets end them. */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Session } from '@holdfast/protocol';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import { fixedLimits } from '../auth/testing/index.ts';
import { createBudgets, createModels, defaultCatalogue, parseCatalogue } from '../models/index.ts';
import { sessionIdOf, useBench } from './testing/bench.ts';
import { connectClient, eventually, type TestClient } from './testing/client.ts';
import { openRealtimeHost } from './testing/host.ts';

const bench = useBench({ limits: fixedLimits({ maxSessions: 100 }) });
const path = '/v1/realtime?model=gpt-realtime';

/** $0.0322 at the list prices of gpt-realtime; see `usage.test.ts`. */
const USAGE = {
  total_tokens: 800,
  input_tokens: 550,
  output_tokens: 250,
  input_token_details: { text_tokens: 50, audio_tokens: 500 },
  output_token_details: { text_tokens: 0, audio_tokens: 250 },
};
const TURN_USD = 0.0322;
/** 4,096 tokens of audio at 64 dollars a million. */
const RESPONSE_USD = 0.262144;

let projects = 0;
const newProject = () => `voice${projects++}`;
const callerIn = (project: string, owner = 'ann') => `Developer:${owner}:${project}`;

const turns = (count: number) =>
  bench.simulator.behave({
    speed: 0,
    responseDelayMs: 0,
    script: Array.from({ length: count }, () => ({ say: 'Yes.', usage: USAGE })),
  });

function say(client: TestClient, text = 'Hello') {
  const content = [{ type: 'input_text', text }];
  client.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content },
  });
  client.send({ type: 'response.create' });
}

const TRANSCRIPTION = {
  type: 'transcription',
  audio: { input: { transcription: { model: 'gpt-4o-transcribe' }, turn_detection: null } },
};
/** Of silence. */
const SECOND = Buffer.alloc(48_000).toString('base64');

/** Client secrets are for projects that are stored. */
async function storedProject(): Promise<string> {
  const id = newProject();
  await sql`insert into projects (id, name) values (${id}, 'Test')`.execute(bench.database.db);
  return id;
}

async function mint(session: object, caller: string, locked: string[] = []): Promise<string> {
  const response = await bench.host.request('/v1/realtime/client_secrets', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ session, holdfast: { locked } }),
    caller,
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { value: string }).value;
}

/** The session of another project, once it has ended. */
const ended = (id: string, caller: string) =>
  eventually(async () => {
    const response = await bench.host.request(`/v1/sessions/${id}`, { caller });
    const session = (await response.json()) as Session;
    return session.state === 'ended' && session;
  });

const countOf = (client: TestClient, type: string) =>
  client.events.filter(event => event.type === type).length;

async function budget(project: string, scope: 'owner' | 'project_month', limit_usd: number) {
  const audit = { record: async () => {} };
  const budgets = createBudgets({ database: bench.database, audit });
  const principal = { kind: 'user', id: 'root', name: 'root', role: 'Admin' } as const;
  const by = { ...principal, projectId: project };
  await budgets.put(by, { scope, limit_usd }, 'req_test');
  return {
    spentUsd: async () => (await budgets.list(by)).find(one => one.scope === scope)!.spent_usd!,
    set: (usd: number) => budgets.put(by, { scope, limit_usd: usd }, 'req_test'),
  };
}

/** How a session is refused in words. */
const refusalOf = async (connecting: Promise<TestClient>) => {
  const client = await connecting;
  const { code } = await client.closed;
  return { code, error: client.events.at(-1)?.error };
};

describe('the cost of a session', () => {
  it('shows while it runs, by modality, and in its log', async () => {
    await turns(2);
    const client = await connectClient(bench.host.wsUrl + path);
    const id = await sessionIdOf(client);
    say(client);
    await client.event('response.done');
    await bench.host.realtime.registry.writeActivity();
    const live = await bench.session(id);
    expect(live.state).toBe('connected');
    expect(live.cost).toEqual({ usd: expect.closeTo(TURN_USD, 10), unpriced: [], unreported: 0 });
    expect(live.usage).toMatchObject({
      input_tokens: 550,
      input_text_tokens: 50,
      input_audio_tokens: 500,
      output_audio_tokens: 250,
    });
    client.socket.close(1000);
    const ended = await bench.settled(id, 'ended');
    expect(ended.cost).toEqual(live.cost);
    const log = await bench.host.request(`/v1/sessions/${id}/events?limit=1000`);
    const { data } = (await log.json()) as { data: { type: string; data: object }[] };
    expect(data.find(event => event.type === 'response.done')?.data).toMatchObject({
      cost_usd: expect.closeTo(TURN_USD, 10),
    });
  });

  it('counts images and cached parts that the provider counts', async () => {
    await bench.simulator.behave({ script: [] });
    const client = await connectClient(bench.host.wsUrl + path);
    const id = await sessionIdOf(client);
    const image_url = 'data:image/png;base64,iVBORw0KGgo=';
    const content = [{ type: 'input_image', image_url }];
    client.send({
      type: 'conversation.item.create',
      item: { type: 'message', role: 'user', content },
    });
    say(client);
    await client.event('response.done');
    say(client);
    await eventually(() => countOf(client, 'response.done') === 2);
    client.socket.close(1000);
    const { usage, cost } = await bench.settled(id, 'ended');
    expect(usage.input_image_tokens).toBe(1_000);
    expect(usage.cached_image_tokens).toBe(448);
    expect(cost.usd).toBeGreaterThan(((1_000 - 448) * 5) / 1e6);
  });

  it('counts a usage event of more than 1 MiB', async () => {
    await turns(1);
    const client = await connectClient(bench.host.wsUrl + path);
    const id = await sessionIdOf(client);
    const metadata = { padding: 'x'.repeat(1_200_000) };
    client.send({ type: 'response.create', response: { metadata } });
    expect(JSON.stringify(await client.event('response.done')).length).toBeGreaterThan(1024 ** 2);
    client.socket.close(1000);
    const { cost, usage } = await bench.settled(id, 'ended');
    expect(usage.responses).toBe(1);
    expect(cost.usd).toBeCloseTo(TURN_USD, 10);
    expect(await bench.logged(id)).toContain('response.done');
  });

  it('of a transcription is that of the model that writes it', async () => {
    await bench.simulator.behave({ script: [{ heard: 'Good morning' }] });
    const project = await storedProject();
    // A transcription may write 2,000 tokens at 10 dollars a million: far less than an answer.
    const { spentUsd } = await budget(project, 'project_month', 0.03);
    const caller = callerIn(project);
    const unnamed = `${bench.host.wsUrl}/v1/realtime?intent=transcription`;
    expect((await refusalOf(connectClient(unnamed, { caller }))).code).toBe(1008);
    expect(await spentUsd()).toBe(0);
    const value = await mint(TRANSCRIPTION, caller);
    const writer = await connectClient(`${bench.host.wsUrl}/v1/realtime`, { bearer: value });
    const id = await sessionIdOf(writer);
    writer.send({ type: 'input_audio_buffer.append', audio: SECOND });
    writer.send({ type: 'input_audio_buffer.commit' });
    await writer.event('conversation.item.input_audio_transcription.completed');
    writer.socket.close(1000);
    const { usage, cost } = await ended(id, caller);
    // One second: 10 tokens at 2.50; what is written at 10.
    expect(usage.transcription_input_tokens).toBe(10);
    expect(cost.usd).toBeCloseTo((10 * 2.5 + usage.transcription_output_tokens * 10) / 1e6, 10);
  });

  it('of a translation is that of its time', async () => {
    const { url } = bench.simulator;
    const catalogue = parseCatalogue({
      default: 'gpt-realtime',
      endpoints: { e: { provider: 'compatible', url, auth: 'none' } },
      models: [
        { id: 'gpt-realtime', endpoint: 'e', prices: [{ from: '2025-01-01', per_minute: 60 }] },
      ],
    });
    const models = createModels({ catalogue, credentials: { secret: async () => undefined } });
    const host = await openRealtimeHost(bench.database, { upstreamUrl: url, models });
    try {
      const client = await connectClient(
        `${host.wsUrl}/v1/realtime/translations?model=gpt-realtime`,
      );
      const id = await sessionIdOf(client);
      client.socket.close(1000);
      const { cost, duration_s } = await bench.settled(id, 'ended');
      expect(cost.unpriced).toEqual([]);
      expect(cost.usd).toBeGreaterThan(0);
      expect(cost.usd).toBeLessThan(duration_s! + 1);
    } finally {
      await host.close();
    }
  });

  it('is not known without a price, and says so; only a budget refuses that', async () => {
    const { url } = bench.simulator;
    const catalogue = parseCatalogue({
      default: 'mine',
      endpoints: { e: { provider: 'compatible', url, auth: 'none' } },
      models: [{ id: 'mine', endpoint: 'e', deployment: 'gpt-realtime' }],
    });
    const models = createModels({ catalogue, credentials: { secret: async () => undefined } });
    const host = await openRealtimeHost(bench.database, { upstreamUrl: url, models });
    try {
      await turns(1);
      const project = newProject();
      const open = () =>
        connectClient(`${host.wsUrl}/v1/realtime?model=mine`, { caller: callerIn(project) });
      const client = await open();
      const id = await sessionIdOf(client);
      say(client);
      await client.event('response.done');
      client.socket.close(1000);
      const get = () => host.request(`/v1/sessions/${id}`, { caller: callerIn(project) });
      const cost = await eventually(async () => {
        const session = (await (await get()).json()) as { state: string; cost: object };
        return session.state === 'ended' && session.cost;
      });
      expect(cost).toEqual({ usd: null, unpriced: ['mine'], unreported: 0 });
      await budget(project, 'project_month', 100);
      const refusal = await refusalOf(open());
      expect(refusal).toMatchObject({
        code: 1008,
        error: { message: expect.stringContaining('The model mine has no price in US dollars') },
      });
    } finally {
      await host.close();
    }
  });
});

describe('a budget', () => {
  it.each(['owner', 'project_month'] as const)('of scope %s refuses a session', async scope => {
    const project = newProject();
    const { spentUsd } = await budget(project, scope, RESPONSE_USD - 0.001);
    const refusal = await refusalOf(
      connectClient(bench.host.wsUrl + path, { caller: callerIn(project) }),
    );
    expect(refusal).toMatchObject({
      code: 1008,
      error: { code: 'budget_exceeded', message: expect.stringContaining('The next response') },
    });
    expect((await spentUsd()) ?? 0).toBe(0);
    const list = await bench.host.request('/v1/sessions', { caller: callerIn(project) });
    expect(await list.json()).toMatchObject({ data: [] });
  });

  it('has what is open reserved, and what was used settled', async () => {
    await turns(2);
    const project = newProject();
    const { spentUsd } = await budget(project, 'project_month', 10);
    const client = await connectClient(bench.host.wsUrl + path, { caller: callerIn(project) });
    const id = await sessionIdOf(client);
    expect(await spentUsd()).toBeCloseTo(RESPONSE_USD, 10);
    say(client);
    await client.event('response.done');
    // What was read and written is read again: 800 tokens at 32 dollars a million.
    await eventually(
      async () => Math.abs((await spentUsd()) - TURN_USD - RESPONSE_USD - 0.0256) < 1e-9,
    );
    client.socket.close(1000);
    await ended(id, callerIn(project));
    expect(await spentUsd()).toBeCloseTo(TURN_USD, 10);
  });

  it('ends a session after its turn, with an event that says why', async () => {
    await turns(3);
    const project = newProject();
    const limits = await budget(project, 'project_month', 1);
    const client = await connectClient(bench.host.wsUrl + path, { caller: callerIn(project) });
    const id = await sessionIdOf(client);
    say(client);
    await client.event('response.done');
    await eventually(async () => (await limits.spentUsd()) > RESPONSE_USD + TURN_USD);
    await limits.set(0.05);
    say(client);
    expect(await client.closed).toEqual({ code: 1008, reason: 'budget' });
    expect(countOf(client, 'response.done')).toBe(2);
    expect(client.events.at(-1)).toMatchObject({
      type: 'error',
      error: { code: 'budget_exceeded', message: expect.stringContaining('Trying again will not') },
    });
    expect(await ended(id, callerIn(project))).toMatchObject({ close_reason: 'budget_exceeded' });
    expect(await limits.spentUsd()).toBeCloseTo(2 * TURN_USD, 10);
  });

  /** Closes while the model speaks; `drop` takes the model away instead, and lets none come. */
  async function cutOff(project: string, drop: boolean): Promise<Session> {
    await bench.simulator.behave({ speed: 1, script: [{ say: 'word '.repeat(200) }] });
    if (drop) await bench.simulator.fault({ fault: 'drop', after_ms: 500, times: 1 });
    const caller = callerIn(project);
    const client = await connectClient(bench.host.wsUrl + path, { caller });
    const id = await sessionIdOf(client);
    if (drop) await bench.simulator.fault({ fault: 'refuse', status: 400 });
    say(client);
    await client.event('response.output_audio.delta');
    if (!drop) client.socket.close(1000);
    await client.closed;
    await bench.simulator.clearFaults();
    return await eventually(async () => {
      const session = (await (
        await bench.host.request(`/v1/sessions/${id}`, { caller })
      ).json()) as Session;
      return session.ended_at !== null && session;
    });
  }

  it('counts what a response had used when its client left', async () => {
    const project = newProject();
    const { spentUsd } = await budget(project, 'project_month', 1);
    const { cost } = await cutOff(project, false);
    expect(cost).toMatchObject({ unpriced: [], unreported: 0 });
    expect(cost.usd).toBeGreaterThan(0);
    expect(await spentUsd()).toBeCloseTo(cost.usd!, 10);
  });

  it('counts a response in full whose model was lost before it reported its usage', async () => {
    const project = newProject();
    const { spentUsd } = await budget(project, 'project_month', 1);
    const { cost } = await cutOff(project, true);
    expect(cost).toMatchObject({ unreported: 1 });
    expect(await spentUsd()).toBeCloseTo(RESPONSE_USD, 10);
  });

  it('counts speech in full that a transcription was left with', async () => {
    await bench.simulator.behave({ transcriptionDelayMs: 60_000, script: [] });
    const project = await storedProject();
    const { spentUsd } = await budget(project, 'project_month', 1);
    const value = await mint(TRANSCRIPTION, callerIn(project));
    const client = await connectClient(`${bench.host.wsUrl}/v1/realtime`, { bearer: value });
    client.send({ type: 'input_audio_buffer.append', audio: SECOND });
    client.send({ type: 'input_audio_buffer.commit' });
    await client.event('input_audio_buffer.committed');
    client.socket.close(1000);
    await eventually(() => bench.host.realtime.registry.size === 0);
    // 2,000 tokens at 10 dollars a million.
    expect(await spentUsd()).toBeCloseTo(0.02, 10);
    await bench.simulator.behave({ transcriptionDelayMs: 0 });
  });

  it('is given back where the model refuses the session', async () => {
    const project = newProject();
    const { spentUsd } = await budget(project, 'project_month', 1);
    await bench.simulator.fault({ fault: 'refuse', status: 500, times: 10 });
    const client = await connectClient(bench.host.wsUrl + path, {
      caller: callerIn(project),
    }).catch(() => undefined);
    await client?.closed;
    await bench.simulator.clearFaults();
    await eventually(() => bench.host.realtime.registry.size === 0);
    expect(await spentUsd()).toBe(0);
  });

  /** All in one chunk, as a client may write them. */
  function pipeline(client: TestClient, events: readonly Record<string, unknown>[]) {
    const { _socket: socket } = client.socket as unknown as { _socket: Socket };
    socket.cork();
    for (const event of events) client.send(event);
    socket.uncork();
  }

  const talkative = () =>
    bench.simulator.behave({
      speed: 1,
      responseDelayMs: 20,
      script: Array.from({ length: 30 }, () => ({ say: 'word '.repeat(200) })),
    });

  it.each([
    ['without locks', []],
    ['with locks', ['instructions']],
  ])('lets no client have responses beside each other beyond it, %s', async (_, locked) => {
    await talkative();
    const project = await storedProject();
    const caller = callerIn(project);
    const { spentUsd } = await budget(project, 'project_month', 3.5 * RESPONSE_USD);
    const session = { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' };
    const value = await mint(session, caller, locked);
    const client = await connectClient(bench.host.wsUrl + path, { bearer: value });
    const id = await sessionIdOf(client);
    const event = { type: 'response.create', response: { conversation: 'none' } };
    pipeline(client, new Array(30).fill(event));
    expect(await client.closed).toEqual({ code: 1008, reason: 'budget' });
    // Three are allowed, and the fourth had to begin before it could be refused.
    expect(countOf(client, 'response.created')).toBe(4);
    await ended(id, caller);
    expect(await spentUsd()).toBeLessThan(RESPONSE_USD);
  });

  it('holds no client for good whose response is refused', async () => {
    await talkative();
    const project = newProject();
    await budget(project, 'project_month', 10);
    const client = await connectClient(bench.host.wsUrl + path, { caller: callerIn(project) });
    await sessionIdOf(client);
    const startedMs = performance.now();
    pipeline(client, [
      { type: 'response.create' },
      { type: 'response.create' },
      { type: 'response.create' },
      { type: 'input_audio_buffer.clear' },
    ]);
    await client.event('input_audio_buffer.cleared');
    expect(performance.now() - startedMs).toBeLessThan(1_500);
    expect(countOf(client, 'error')).toBe(2);
    client.socket.close(1000);
    await client.closed;
  });

  const SESSIONS = 50;

  /**
   * Each of 50 owners opens a session and goes on until it is refused or closed; with a limit on
   * the output, which lets all of them open, all begin at once.
   */
  async function race(project: string, max_output_tokens?: number) {
    const open = new Set<number>();
    const rounds = Array.from({ length: SESSIONS }, async (_, index) => {
      const caller = callerIn(project, `owner${index}`);
      const value = await mint(
        { type: 'realtime', model: 'gpt-realtime', max_output_tokens },
        caller,
      );
      const client = await connectClient(bench.host.wsUrl + path, { bearer: value });
      const opened = await client.event('holdfast.session').catch(() => undefined);
      if (opened === undefined) {
        expect((await client.closed).code).toBe(1008);
        return 0;
      }
      let done = 0;
      client.socket.on('message', data => {
        if (JSON.parse(String(data)).type !== 'response.done') return;
        done += 1;
        say(client);
      });
      await sessionIdOf(client);
      open.add(index);
      if (max_output_tokens !== undefined) await eventually(() => open.size === SESSIONS);
      say(client);
      expect((await client.closed).code).toBe(1008);
      return done;
    });
    return Promise.all(rounds);
  }

  it('is not exceeded by 50 sessions that race, where responses keep to their limits', async () => {
    await turns(1_000);
    const project = await storedProject();
    const limitUsd = 10 * RESPONSE_USD;
    const { spentUsd } = await budget(project, 'project_month', limitUsd);
    const done = await race(project);
    await eventually(() => bench.host.realtime.registry.size === 0);
    const spent = await spentUsd();
    expect(done.filter(count => count > 0).length).toBeGreaterThan(5);
    expect(spent).toBeLessThanOrEqual(limitUsd);
    expect(spent).toBeGreaterThan(limitUsd / 2);
  }, 240_000);

  it('is exceeded by one response of each open session at most, whatever they read', async () => {
    await turns(1_000);
    const project = await storedProject();
    // Each reserves 100 tokens of output and uses five times as much.
    const limitUsd = 0.5;
    const { spentUsd } = await budget(project, 'project_month', limitUsd);
    const done = await race(project, 100);
    await eventually(() => bench.host.realtime.registry.size === 0);
    expect(done.filter(count => count > 0)).toHaveLength(SESSIONS);
    const spent = await spentUsd();
    expect(spent).toBeGreaterThan(limitUsd);
    expect(spent).toBeLessThanOrEqual(limitUsd + SESSIONS * TURN_USD);
  }, 240_000);
});

describe('a project’s own key', () => {
  it('is what its sessions are opened with', async () => {
    const asked: string[] = [];
    const { url } = bench.simulator;
    const catalogue = defaultCatalogue({
      provider: 'compatible',
      url,
      auth: 'api_key',
      apiKeySecret: 'KEY',
    });
    const models = createModels({
      catalogue,
      credentials: {
        secret: async () => 'the-operators',
        ownKey: async (projectId, provider) => {
          asked.push(`${projectId} ${provider}`);
          return projectId === 'rich' ? 'sk-of-the-project' : undefined;
        },
      },
    });
    const host = await openRealtimeHost(bench.database, { upstreamUrl: url, models });
    try {
      for (const [project, bearer] of [
        ['rich', 'sk-of-the-project'],
        ['poor', 'the-operators'],
      ] as const) {
        const client = await connectClient(host.wsUrl + path, { caller: callerIn(project) });
        const id = (await client.event('session.created')).session as { id: string };
        const record = (await bench.simulator.sessions()).find(one => one.id === id.id);
        const key = createHash('sha256').update(bearer).digest('hex').slice(0, 12);
        expect(JSON.stringify(record)).toContain(key);
        client.socket.close(1000);
        await client.closed;
      }
      expect(asked).toEqual(['rich compatible', 'poor compatible']);
    } finally {
      await host.close();
    }
  });
});
