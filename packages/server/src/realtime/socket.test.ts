import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Lifecycle } from '../kernel/index.ts';
import { sessionIdOf, useBench } from './testing/bench.ts';
import { connectClient, eventually, type Refusal, type TestClient } from './testing/client.ts';
import { openRealtimeHost } from './testing/host.ts';

const bench = useBench();
const path = '/v1/realtime?model=gpt-realtime';
const json = { 'content-type': 'application/json' };

const open = () => connectClient(bench.host.wsUrl + path);
const say = (client: TestClient, text: string) => {
  client.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
  });
  client.send({ type: 'response.create' });
};

async function mint(body: Record<string, unknown> = {}, caller = 'Developer:ann:default') {
  const response = await bench.host.request('/v1/realtime/client_secrets', {
    method: 'POST',
    headers: json,
    body: JSON.stringify(body),
    caller,
  });
  expect(response.status).toBe(200);
  return (await response.json()) as {
    value: string;
    expires_at: number;
    session: Record<string, unknown>;
  };
}

describe('a session over a WebSocket', () => {
  it('passes session.created, then says who we are', async () => {
    const client = await open();
    const id = await sessionIdOf(client);
    expect(client.events.map(event => event.type).slice(0, 2)).toEqual([
      'session.created',
      'holdfast.session',
    ]);
    const event = await client.event('holdfast.session');
    expect(event.session).toMatchObject({ revision: 'test', resume_token: null });
    client.socket.close(1000);
    expect((await client.closed).code).toBe(1000);
    await bench.settled(id, 'ended');
    expect(await bench.logged(id)).toEqual([
      'session.created',
      'session.connected',
      'session.upstream_created',
      'session.ended',
    ]);
  });

  it('carries audio byte for byte, and logs a conversation without it', async () => {
    const client = await open();
    const id = await sessionIdOf(client);
    const audio = Buffer.alloc(48_000, 7);
    client.send({ type: 'input_audio_buffer.append', audio: audio.toString('base64') });
    say(client, 'Hello there');
    await client.event('response.done');
    client.socket.close(1000);
    const session = await bench.settled(id, 'ended');
    expect(session.usage.responses).toBe(1);
    expect(session.usage.total_tokens).toBeGreaterThan(0);
    const types = await bench.logged(id);
    for (const type of ['item.added', 'transcript.assistant', 'response.done']) {
      expect(types).toContain(type);
    }
    const events = await bench.host.request(`/v1/sessions/${id}/events?limit=1000`);
    expect(await events.text()).not.toContain(audio.toString('base64').slice(0, 64));
    const upstream = (await bench.simulator.sessions()).find(
      record => record.id === session.upstream_session_id,
    );
    expect(upstream?.audio_sha256).toBe(createHash('sha256').update(audio).digest('hex'));
  });

  it('shows usage and activity while it runs', async () => {
    const client = await open();
    const id = await sessionIdOf(client);
    say(client, 'Hello there');
    await client.event('response.done');
    await bench.host.realtime.registry.writeActivity();
    const session = await bench.session(id);
    expect(session).toMatchObject({ state: 'connected', usage: { responses: 1 } });
    expect(Date.parse(session.last_activity_at!)).toBeGreaterThan(Date.parse(session.created_at));
    expect(await bench.host.telemetry.metric('active_sessions_count')).toBeGreaterThan(0);
    expect(await bench.host.telemetry.metric('websocket_connections_count')).toBeGreaterThan(0);
    client.socket.close(1000);
    await bench.settled(id, 'ended');
  });

  it('gets no defaults of ours when it comes with a full credential', async () => {
    const client = await open();
    await sessionIdOf(client);
    client.send({ type: 'session.update', session: { type: 'realtime', instructions: 'Mine.' } });
    const updated = await client.event('session.updated');
    expect(updated.session).toMatchObject({ instructions: 'Mine.', tools: [] });
    client.socket.close(1000);
  });

  it('ends by /end, from anywhere', async () => {
    const client = await open();
    const id = await sessionIdOf(client);
    const response = await bench.host.request(`/v1/sessions/${id}/end`, { method: 'POST' });
    expect(await response.json()).toMatchObject({ state: 'ended', close_reason: 'end_requested' });
    expect((await client.closed).code).toBe(1000);
    await eventually(() => bench.host.realtime.registry.size === 0);
  });

  it('ends and is erased by DELETE', async () => {
    const client = await open();
    const id = await sessionIdOf(client);
    const gone = await bench.host.request(`/v1/sessions/${id}`, { method: 'DELETE' });
    expect(gone.status).toBe(204);
    expect((await client.closed).code).toBe(1000);
    expect((await bench.host.request(`/v1/sessions/${id}`)).status).toBe(404);
  });
});

describe('the description of the API', () => {
  it('holds every route of ours', async () => {
    const response = await bench.host.request('/openapi.json');
    expect(response.status).toBe(200);
    const { paths } = (await response.json()) as { paths: Record<string, unknown> };
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/v1/sessions',
        '/v1/sessions/{id}/events',
        '/v1/realtime/client_secrets',
        '/openai/v1/realtime/calls/{id}/hangup',
        '/sessions/',
        '/realtime',
      ]),
    );
  });
});

describe('the end of our own time', () => {
  it('is told by the event of the protocol, and a close', async () => {
    const { database, simulator } = bench;
    const host = await openRealtimeHost(database, {
      upstreamUrl: simulator.url,
      maxSessionMs: 500,
    });
    try {
      const client = await connectClient(host.wsUrl + path);
      const id = await sessionIdOf(client);
      expect(await client.event('error')).toMatchObject({ error: { code: 'session_expired' } });
      expect((await client.closed).code).toBe(1001);
      expect(await bench.settled(id, 'expired')).toMatchObject({ close_reason: 'session_expired' });
    } finally {
      await host.close();
    }
  });
});

describe('another replica', () => {
  it('ends a session that is held here', async () => {
    const { database, simulator } = bench;
    const other = await openRealtimeHost(database, { upstreamUrl: simulator.url });
    try {
      const client = await open();
      const id = await sessionIdOf(client);
      await other.request(`/v1/sessions/${id}/end`, { method: 'POST' });
      expect((await client.closed).code).toBe(1000);
    } finally {
      await other.close();
    }
  });
});

describe('a drain', () => {
  it('refuses newcomers, closes with 1012, and leaves sessions disconnected', async () => {
    const { database, simulator } = bench;
    const host = await openRealtimeHost(database, { upstreamUrl: simulator.url });
    const client = await connectClient(host.wsUrl + path);
    const id = await sessionIdOf(client);
    const deadline = new AbortController();
    const drained = host.realtime.registry.drain(deadline.signal);
    const refusal = await eventually(async () => {
      const answer = await connectClient(host.wsUrl + path).catch((error: Refusal) => error);
      if (answer instanceof Error) return answer;
      answer.socket.close(1000);
      return undefined;
    });
    expect(refusal).toMatchObject({ status: 503, body: { error: { code: 'draining' } } });
    expect(client.socket.readyState).toBe(client.socket.OPEN);
    deadline.abort();
    expect((await client.closed).code).toBe(1012);
    await drained;
    const session = await bench.session(id);
    expect(session).toMatchObject({ close_reason: 'drain' });
    expect(['disconnected', 'expired']).toContain(session.state);
    expect(await bench.logged(id)).toContain('session.disconnected');
    await host.close();
  });
});

describe('a drain that is cut off', () => {
  it('leaves time to say why a session ended whose client answers no close', async () => {
    const { database, simulator } = bench;
    const host = await openRealtimeHost(database, { upstreamUrl: simulator.url });
    const [silent, ending] = [
      await connectClient(host.wsUrl + path),
      await connectClient(host.wsUrl + path),
    ];
    const ids = [await sessionIdOf(silent), await sessionIdOf(ending)];
    for (const { socket } of [silent, ending]) socket.pause();
    const ended = await host.request(`/v1/sessions/${ids[1]}/end`, { method: 'POST' });
    expect(ended.status).toBe(200);
    const { promise: drained, resolve } = Promise.withResolvers<void>();
    const { registry } = host.realtime;
    const lifecycle = new Lifecycle([
      { name: 'realtime', drain: signal => registry.drain(signal).then(resolve) },
    ]);
    await lifecycle.start();
    // The default closing time, of which drains have half.
    await lifecycle.stop({ drainMs: 0, closingMs: 9_000 });
    expect(await bench.session(ids[0]!)).toMatchObject({ close_reason: 'drain' });
    expect(await bench.session(ids[1]!)).toMatchObject({ close_reason: 'end_requested' });
    expect(registry.size).toBe(0);
    for (const { socket } of [silent, ending]) socket.terminate();
    await drained;
    await host.close();
  });
});

describe('a drain with a grace period of its own', () => {
  it('closes in time for a deadline that never comes', async () => {
    const { database, simulator } = bench;
    const options = { upstreamUrl: simulator.url, drainGraceMs: 100 };
    const host = await openRealtimeHost(database, options);
    const client = await connectClient(host.wsUrl + path);
    await sessionIdOf(client);
    await host.realtime.registry.drain(new AbortController().signal);
    expect((await client.closed).code).toBe(1012);
    expect(host.realtime.registry.size).toBe(0);
    await host.close();
  });

  it('is over as soon as its sessions are', async () => {
    const { database, simulator } = bench;
    const host = await openRealtimeHost(database, { upstreamUrl: simulator.url });
    const client = await connectClient(host.wsUrl + path);
    const id = await sessionIdOf(client);
    const drained = host.realtime.registry.drain(new AbortController().signal);
    client.socket.close(1000);
    await drained;
    expect(await bench.session(id)).toMatchObject({ state: 'ended' });
    await host.close();
  });
});

describe('client secrets', () => {
  it('open one session of the minter, with the configuration fixed', async () => {
    const { value, session } = await mint({
      session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' },
    });
    expect(value).toMatch(/^ek_/);
    expect(session).toMatchObject({ object: 'realtime.session', instructions: 'Be brief.' });
    const client = await connectClient(`${bench.host.wsUrl}/v1/realtime`, { bearer: value });
    const id = await sessionIdOf(client);
    const created = await client.event('session.created');
    expect(created.session).toMatchObject({ instructions: 'Be brief.' });
    expect(await bench.session(id)).toMatchObject({ created_by: 'ann' });
    const again = await connectClient(`${bench.host.wsUrl}/v1/realtime`, { bearer: value }).catch(
      (error: Refusal) => error,
    );
    expect(again).toMatchObject({ status: 401 });
    client.socket.close(1000);
  });

  it('refuse another model, in words', async () => {
    const { value } = await mint({ session: { type: 'realtime', model: 'gpt-realtime-mini' } });
    const client = await connectClient(bench.host.wsUrl + path, { bearer: value });
    expect(await client.closed).toEqual({ code: 1008, reason: 'forbidden' });
    expect(client.events).toMatchObject([
      { error: { code: 'forbidden', message: expect.stringContaining('gpt-realtime-mini') } },
    ]);
  });

  it('keep locked parts locked', async () => {
    const { value } = await mint({
      session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' },
      holdfast: { locked: ['instructions'] },
    });
    const client = await connectClient(bench.host.wsUrl + path, { bearer: value });
    await client.event('session.created');
    client.socket.send(
      '{"\\u0074ype":"session.update","event_id":"e1","session":{"instructions":"x"}}',
    );
    expect(await client.event('error')).toMatchObject({
      error: { code: 'locked_configuration', param: 'session.instructions', event_id: 'e1' },
    });
    say(client, 'Hello');
    await client.event('response.done');
    const updates = client.events.filter(event => event.type === 'session.updated');
    expect(updates).toEqual([]);
    client.socket.close(1000);
  });

  it.each([
    ['GA', path],
    ['preview', '/openai/realtime?deployment=gpt-realtime'],
  ])('let nothing pass that is not known exactly, over the %s protocol', async (_, url) => {
    const { value } = await mint({
      session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' },
      holdfast: { locked: ['voice'] },
    });
    const client = await connectClient(bench.host.wsUrl + url, { bearer: value });
    await client.event('session.created');
    const codes: unknown[] = [];
    for (const text of [
      '{"type":"input_audio_buffer.clear","Type":"session.update"}',
      '{"type":"session.update","session":{},"Session":{"voice":"echo"}}',
      '{"type":"session.update","Session":{"audio":{"output":{"voice":"echo"}}}}',
      '{"type":"response.create","Response":{"audio":{"output":{"voice":"echo"}}}}',
      '{"type":"conversation.item.create","Item":{"type":"message","role":"user","content":[]}}',
      '[{"type":"session.update","session":{"voice":"echo"}}]',
      '{"type":"session.update","session":null}',
    ]) {
      const already = client.events.filter(event => event.type === 'error').length;
      client.socket.send(text);
      await eventually(
        () => client.events.filter(event => event.type === 'error').length > already,
      );
      const { error } = client.events.findLast(event => event.type === 'error')!;
      codes.push((error as { code: string }).code);
    }
    expect(new Set(codes)).toEqual(
      new Set(['duplicate_key', 'unknown_parameter', 'locked_configuration']),
    );
    const model = (await bench.simulator.sessions()).at(-1) as unknown as {
      received: { events: Record<string, number> };
    };
    expect(model.received.events).toEqual({ 'session.update': 1 });
    client.socket.close(1000);
  });

  it.each([
    [{ Holdfast: { locked: ['all'] } }, 'Holdfast'],
    [{ locked: ['all'] }, 'locked'],
    [{ session: { type: 'realtime', holdfast: { locked: ['all'] } } }, 'session.holdfast'],
    [{ holdfast: { Locked: ['all'] } }, 'holdfast'],
    [
      { session: { type: 'realtime', Instructions: 'x' }, holdfast: { locked: ['instructions'] } },
      'session.Instructions',
    ],
  ])('are not minted where a lock would silently not hold: %j', async (body, param) => {
    const response = await bench.host.request('/v1/realtime/client_secrets', {
      method: 'POST',
      headers: json,
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param } });
  });
});

describe('the preview protocol', () => {
  it('is spoken both ways', async () => {
    const query = 'api-version=2025-04-01-preview&deployment=gpt-4o-realtime-preview';
    const url = `${bench.host.wsUrl}/openai/realtime?${query}`;
    const client = await connectClient(url);
    const created = await client.event('session.created');
    expect(created.session).toMatchObject({
      input_audio_format: 'pcm16',
      modalities: ['text', 'audio'],
    });
    client.send({
      type: 'session.update',
      session: { instructions: 'Old.', voice: 'echo', input_audio_format: 'g711_ulaw' },
    });
    const updated = await client.event('session.updated');
    expect(updated.session).toMatchObject({
      instructions: 'Old.',
      voice: 'echo',
      input_audio_format: 'g711_ulaw',
    });
    say(client, 'Hello there');
    await client.event('response.audio.delta');
    await client.event('response.audio_transcript.done');
    const done = await client.event('response.done');
    expect(done.response).toMatchObject({ modalities: ['text', 'audio'] });
    const types = client.events.map(event => String(event.type));
    expect(types).toContain('conversation.item.created');
    expect(
      types.filter(type => /output_audio|conversation\.item\.(added|done)/.test(type)),
    ).toEqual([]);
    const session = { temperature: 1.2, instructions: 'Be brief.' };
    client.send({ type: 'session.update', event_id: 'e9', session });
    expect(await client.event('holdfast.warning')).toMatchObject({
      warning: { params: ['session.temperature'], event_id: 'e9' },
    });
    await eventually(() =>
      client.events.some(
        event => (event.session as { instructions?: string })?.instructions === 'Be brief.',
      ),
    );
    expect(types).not.toContain('error');
    const id = await sessionIdOf(client);
    client.socket.close(1000);
    await bench.settled(id, 'ended');
    expect(await bench.logged(id)).toContain('transcript.assistant');
    expect(await bench.session(id)).toMatchObject({ protocol: 'preview' });
  });
});

describe("the seeds' routes", () => {
  it('/ws: one model, no parameters, their tools', async () => {
    const client = await connectClient(`${bench.host.wsUrl}/ws`);
    const created = (await client.event('session.created')) as { session: { tools: unknown[] } };
    expect(created.session.tools).toHaveLength(3);
    say(client, 'Hello');
    await client.event('response.done');
    client.socket.close(1000);
  });

  it('POST /sessions, then /api/v1/realtime/webrtc/{id}', async () => {
    for (const slash of ['', '/']) {
      const response = await bench.host.request(`/sessions${slash}`, {
        method: 'POST',
        headers: { ...json, 'api-key': 'dummy_key' },
        body: JSON.stringify({ model: 'gpt-4o-realtime-preview', voice: 'alloy' }),
      });
      expect(response.status).toBe(201);
      const minted = (await response.json()) as {
        id: string;
        voice: string;
        client_secret: { value: string; expires_at: number };
      };
      expect(minted).toMatchObject({ voice: 'alloy', client_secret: { value: /^ek_/ } as never });
      expect(await bench.session(minted.id)).toMatchObject({ state: 'created' });
      const url = `${bench.host.wsUrl}/api/v1/realtime/webrtc/${minted.id}`;
      const bearer = minted.client_secret.value;
      const stranger = await connectClient(url, { caller: 'Developer:eve:default' }).catch(
        (error: Refusal) => error,
      );
      expect(stranger).toMatchObject({ status: 404 });
      const client = await connectClient(url, { bearer });
      expect(await sessionIdOf(client)).toBe(minted.id);
      client.socket.close(1000);
      await bench.settled(minted.id, 'ended');
    }
  });

  it.each([
    ['its creator', 'Developer:ann:default', false],
    ['an Admin', 'Admin:root:default', true],
  ])('%s opens what was minted, without its secret', async (_, caller, recorded) => {
    const response = await bench.host.request('/sessions', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ voice: 'echo', instructions: 'As minted.' }),
    });
    const minted = (await response.json()) as { id: string; client_secret: { value: string } };
    const url = `${bench.host.wsUrl}/api/v1/realtime/webrtc/${minted.id}`;
    const client = await connectClient(url, { caller });
    expect(await sessionIdOf(client)).toBe(minted.id);
    expect(await client.event('session.created')).toMatchObject({
      session: { instructions: 'As minted.', audio: { output: { voice: 'echo' } } },
    });
    const again = await connectClient(url, { caller }).catch((error: Refusal) => error);
    expect(again).toMatchObject({ status: 409 });
    const bearer = minted.client_secret.value;
    const any = `${bench.host.wsUrl}/v1/realtime`;
    const spent = await connectClient(any, { bearer }).catch((error: Refusal) => error);
    expect(spent).toMatchObject({ status: 401 });
    const record = { action: 'sessions.open', target: minted.id, principal: 'root' };
    const told = bench.host.audited.some(one => one.target === minted.id);
    expect(told).toBe(recorded);
    if (recorded) expect(bench.host.audited).toContainEqual(expect.objectContaining(record));
    client.socket.close(1000);
    await bench.settled(minted.id, 'ended');
  });

  it('POST /sessions refuses what cannot be translated, by name', async () => {
    const response = await bench.host.request('/sessions', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ input_audio_format: 'opus' }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ field: 'input_audio_format' });
  });
});
