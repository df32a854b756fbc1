import { describe, expect, it } from 'vitest';
import { WebRtcClient } from '../../../../simulator/src/testing/webrtc-client.ts';
import { createBudgets } from '../../models/index.ts';
import { useBench } from '../testing/bench.ts';
import { connectClient, eventually, type Refusal } from '../testing/client.ts';
import { openRealtimeHost, type RealtimeHost } from '../testing/host.ts';
import { offersMoreThanAudio } from './service.ts';

const bench = useBench({}, { SIMULATOR_DATA_CHANNEL_DELAY_MS: '0' });
const sdpType = { 'content-type': 'application/sdp' };
const json = { 'content-type': 'application/json' };

interface Placed {
  readonly client: WebRtcClient;
  readonly status: number;
  /** Ours. */
  readonly callId: string;
  readonly sessionId: string;
  /** What came on the data channel first; undefined without one. */
  readonly created: Record<string, unknown> | undefined;
}

async function place(
  options: {
    host?: RealtimeHost;
    bearer?: string;
    form?: Record<string, unknown>;
    base?: string;
    /** Where the offer is posted, below `base`. */
    path?: string;
    hasChannel?: boolean;
  } = {},
): Promise<Placed> {
  const { host = bench.host, bearer, form, base = '/v1/realtime', path = '/calls' } = options;
  const { hasChannel = true } = options;
  const client = new WebRtcClient({ hasChannel });
  const sdp = await client.offer();
  const body = new FormData();
  body.set('sdp', new Blob([sdp], { type: 'application/sdp' }));
  body.set('session', new Blob([JSON.stringify(form)], { type: 'application/json' }));
  const response = await host.request(`${base}${path}?model=gpt-realtime`, {
    method: 'POST',
    headers: {
      ...(form === undefined && sdpType),
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    },
    body: form === undefined ? sdp : body,
  });
  const answer = await response.text();
  expect(response.status, answer).toBe(201);
  expect(response.headers.get('content-type')).toContain('application/sdp');
  await client.accept(answer);
  // The data channel is open too: what is sent or closed before that is lost.
  const created = hasChannel ? await client.events.next('session.created') : undefined;
  const location = response.headers.get('location') ?? '';
  expect(location).toMatch(new RegExp(`^${base}/calls/rtc_`));
  return {
    client,
    created,
    status: response.status,
    callId: location.split('/').at(-1)!,
    sessionId: response.headers.get('holdfast-session')!,
  };
}

async function mintLocked(): Promise<string> {
  const minted = await bench.host.request('/v1/realtime/client_secrets', {
    method: 'POST',
    headers: json,
    body: JSON.stringify({
      session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' },
      holdfast: { locked: ['instructions'] },
    }),
  });
  return ((await minted.json()) as { value: string }).value;
}

const upstreamCall = async (sessionId: string) => {
  const { upstream_session_id } = await eventually(async () => {
    const session = await bench.session(sessionId);
    return session.upstream_session_id !== null && session;
  });
  return (await bench.simulator.sessions()).find(record => record.id === upstream_session_id);
};

const endOf = (sessionId: string) =>
  bench.host.request(`/v1/sessions/${sessionId}/end`, { method: 'POST' });

const ask = (client: WebRtcClient, text: string) => {
  const content = [{ type: 'input_text', text }];
  client.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content },
  });
  client.send({ type: 'response.create' });
};

describe('the session of a form', () => {
  const mint = async (holdfast: object) => {
    const session = {
      type: 'realtime',
      model: 'gpt-realtime',
      instructions: 'From the secret.',
      audio: { output: { voice: 'echo' } },
    };
    const minted = await bench.host.request('/v1/realtime/client_secrets', {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ session, holdfast }),
    });
    return ((await minted.json()) as { value: string }).value;
  };
  const form = { instructions: 'From the form.', audio: { output: { speed: 1.2 } } };

  it('goes before a client secret that leaves it open', async () => {
    const { client, callId, created } = await place({ bearer: await mint({}), form });
    expect(created?.session).toMatchObject({
      instructions: 'From the form.',
      audio: { output: { voice: 'echo', speed: 1.2 } },
    });
    await bench.host.request(`/v1/realtime/calls/${callId}/hangup`, { method: 'POST' });
    await client.close();
  });

  it.each([
    ['what is locked', form, { locked: ['instructions'] }, 403, 'session.instructions'],
    ['another model', { ...form, model: 'gpt-realtime-2' }, {}, 400, 'session.model'],
  ])('is refused where it changes %s', async (_, session, holdfast, status, param) => {
    const body = new FormData();
    body.set('sdp', 'v=0\r\nm=audio 9 x\r\n');
    body.set('session', JSON.stringify(session));
    const response = await bench.host.request('/v1/realtime/calls?model=gpt-realtime', {
      method: 'POST',
      headers: { authorization: `Bearer ${await mint(holdfast)}` },
      body,
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { param } });
  });
});

describe('offers that are none', () => {
  const post = (body: BodyInit, headers: Record<string, string> = sdpType) =>
    bench.host.request('/v1/realtime/calls?model=gpt-realtime', { method: 'POST', headers, body });
  const form = (parts: Record<string, string>) => {
    const data = new FormData();
    for (const [name, value] of Object.entries(parts)) data.set(name, value);
    return data;
  };

  it.each([
    ['empty', () => post(''), 400],
    ['not SDP', () => post('hello'), 400],
    ['SDP without audio', () => post('v=0\r\nm=video 9 X 0\r\n'), 400],
    ['over the limit', () => post(`v=0\r\nm=audio ${'x'.repeat(70_000)}`), 413],
    ['of another type', () => post('v=0', { 'content-type': 'audio/sdp' }), 415],
    ['a form without sdp', () => post(form({ session: '{}' }), {}), 400],
    [
      'a form with a broken session',
      () => post(form({ sdp: 'v=0\nm=audio 9\n', session: '{' }), {}),
      400,
    ],
    [
      'a form with a wrong session',
      () => post(form({ sdp: 'v=0\nm=audio 9\n', session: '{"type":"nonsense"}' }), {}),
      400,
    ],
    [
      'for no model',
      () =>
        bench.host.request('/v1/realtime/calls', {
          method: 'POST',
          headers: sdpType,
          body: 'v=0\nm=audio 9\n',
        }),
      400,
    ],
    ['refused by the model', () => post('v=0\nm=audio 9\n'), 400],
  ])('%s', async (_, send, status) => {
    const response = await send();
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { message: expect.any(String) } });
  });

  it.each([
    [400, { code: 'content_filter', param: 'session.instructions' }, 400, 'content_filter'],
    [401, {}, 502, 'upstream_rejected'],
    [404, { code: 'DeploymentNotFound' }, 424, 'DeploymentNotFound'],
    [429, { code: 'insufficient_quota' }, 424, 'insufficient_quota'],
    [429, { retry_after_s: 120 }, 429, 'rate_limit_exceeded'],
    [500, {}, 503, 'upstream_error'],
  ])('an upstream that answers %d %o: %d, and the place is free', async (...expected) => {
    const [status, refusal, answered, code] = expected;
    const rule = refusal as { param?: string; retry_after_s?: number };
    const words = { message: 'Words of theirs.', ...rule };
    await bench.simulator.fault({ fault: 'refuse', status, ...words, routes: ['calls'] });
    const response = await post('v=0\nm=audio 9\n').finally(() => bench.simulator.clearFaults());
    expect(response.status).toBe(answered);
    const { error } = (await response.json()) as { error: object };
    const theirs = expect.stringContaining('Words of theirs.');
    const message = status === 401 ? 'The model refused our credentials.' : theirs;
    expect(error).toMatchObject({ code, message, param: rule.param ?? null });
    if (status === 429) {
      expect(response.headers.get('retry-after')).toBe(rule.retry_after_s ? '120' : null);
    }
    // The stock client asks again after any 5xx that does not say this.
    if (status === 401) expect(response.headers.get('x-should-retry')).toBe('false');
    const list = await bench.host.request('/v1/sessions?limit=1');
    expect(await list.json()).toMatchObject({ data: [{ state: 'failed', transport: 'webrtc' }] });
  });
});

describe('a call', () => {
  it('is logged and metered through its sideband, and hung up', async () => {
    const { client, callId, sessionId } = await place({
      form: { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' },
    });
    await upstreamCall(sessionId);
    ask(client, 'Hello there');
    const session = await eventually(async () => {
      const found = await bench.session(sessionId);
      return found.usage.responses > 0 && found;
    });
    expect(session).toMatchObject({ state: 'connected', transport: 'webrtc' });
    expect(await bench.logged(sessionId)).toEqual(
      expect.arrayContaining(['session.upstream_created', 'transcript.assistant', 'response.done']),
    );
    const stranger = 'Developer:eve:default';
    const path = `/v1/realtime/calls/${callId}/hangup`;
    const refused = await bench.host.request(path, { method: 'POST', caller: stranger });
    expect(refused.status).toBe(404);
    const hungUp = await bench.host.request(path, { method: 'POST' });
    expect(hungUp.status).toBe(200);
    expect(await bench.settled(sessionId, 'ended')).toMatchObject({
      close_reason: 'end_requested',
    });
    await client.closed;
    await eventually(() => bench.host.realtime.registry.size === 0);
    await client.close();
  });

  it('costs what its sideband reports, and is hung up where a budget is used up', async () => {
    const { database, simulator } = bench;
    const { put, remove } = createBudgets({ database, audit: { record: async () => {} } });
    const root = { kind: 'user', id: 'root', name: 'root', projectId: 'default' } as const;
    const admin = { ...root, role: 'Admin' } as const;
    // For the first response, which may be 4,096 tokens at 64 dollars a million, and little else.
    const { id } = await put(admin, { scope: 'owner', owner: 'ann', limit_usd: 0.27 }, 'req_test');
    // 500 × 32 + 250 × 64 for a million.
    const usage = {
      input_tokens: 500,
      input_token_details: { audio_tokens: 500 },
      output_tokens: 250,
      output_token_details: { audio_tokens: 250 },
    };
    await simulator.behave({ script: [{ say: 'Yes.', usage }] });
    try {
      const { client, sessionId } = await place({ form: { type: 'realtime' } });
      ask(client, 'Hello there');
      expect(await bench.settled(sessionId, 'ended')).toMatchObject({
        close_reason: 'budget_exceeded',
        cost: { usd: expect.closeTo(0.032, 10), unreported: 0 },
      });
      await client.closed;
      await client.close();
    } finally {
      await simulator.behave({ script: [] });
      await remove(admin, id, 'req_test');
    }
  });

  it('ends when the provider says that the browser is gone', async () => {
    await bench.simulator.fault({
      fault: 'close',
      code: 1000,
      after_ms: 300,
      times: 1,
      routes: ['sideband'],
    });
    const form = { type: 'realtime' };
    const { client, sessionId } = await place({ form, base: '/openai/v1/realtime' });
    expect(await bench.settled(sessionId, 'ended')).toMatchObject({
      close_reason: 'client_closed',
    });
    await client.close();
  });

  it('survives the loss of its sideband', async () => {
    await bench.simulator.fault({ fault: 'drop', after_ms: 300, times: 1, routes: ['sideband'] });
    const { client, sessionId } = await place({ form: { type: 'realtime' } });
    await eventually(() => {
      const opened = bench.host.telemetry
        .text()
        .split('\n')
        .filter(line => line.includes(sessionId) && line.includes('upstream.connected'));
      return opened.length === 2;
    });
    ask(client, 'Hello again');
    await eventually(async () => (await bench.session(sessionId)).usage.responses > 0);
    await endOf(sessionId);
    await client.close();
  });

  it('is hung up at the end of our own time', async () => {
    const { database, simulator } = bench;
    const host = await openRealtimeHost(database, {
      upstreamUrl: simulator.url,
      maxSessionMs: 1_000,
    });
    try {
      const { client, sessionId } = await place({ host, form: { type: 'realtime' } });
      await client.closed;
      expect(await bench.settled(sessionId, 'expired')).toMatchObject({
        close_reason: 'session_expired',
      });
      await client.close();
    } finally {
      await host.close();
    }
  });

  it('goes on through a drain, and another replica takes it', async () => {
    const { database, simulator, host } = bench;
    const first = await openRealtimeHost(database, { upstreamUrl: simulator.url });
    const { client, sessionId } = await place({ host: first, form: { type: 'realtime' } });
    await upstreamCall(sessionId);
    await first.close();
    const session = await eventually(async () => {
      const found = await bench.session(sessionId);
      return found.replica === host.leases.replica && found;
    });
    expect(session.state).toBe('connected');
    expect(await bench.logged(sessionId)).toContain('session.gap');
    ask(client, 'Still there?');
    await eventually(async () => (await bench.session(sessionId)).usage.responses > 0);
    const end = await host.request(`/v1/sessions/${sessionId}/end`, { method: 'POST' });
    expect(end.status).toBe(200);
    await client.closed;
    await client.close();
  });

  it('with locked parts has no data channel, which would go past the locks', async () => {
    const bearer = await mintLocked();
    const path = `${bench.host.url}/v1/realtime/calls`;
    const headers = { ...sdpType, authorization: `Bearer ${bearer}` };
    const body = await new WebRtcClient().offer();
    const refused = await fetch(path, { method: 'POST', headers, body });
    expect(refused.status).toBe(403);
    expect(await refused.json()).toMatchObject({ error: { param: 'sdp' } });
    // The secret is not used up by that.
    const { client, sessionId } = await place({ bearer, hasChannel: false });
    const call = await upstreamCall(sessionId);
    expect(call).toMatchObject({ transport: 'webrtc', state: 'open' });
    await endOf(sessionId);
    await client.close();
  });

  it('is hung up when a locked part changes all the same', async () => {
    const placed = await place({ bearer: await mintLocked(), hasChannel: false });
    const { client, callId, sessionId } = placed;
    await upstreamCall(sessionId);
    const sideband = await connectClient(`${bench.host.wsUrl}/v1/realtime?call_id=${callId}`);
    sideband.send({
      type: 'session.update',
      session: { type: 'realtime', instructions: 'Be rude.' },
    });
    await sideband.closed;
    expect(await bench.settled(sessionId, 'ended')).toMatchObject({
      close_reason: 'locked_configuration',
    });
    await client.close();
  });
});

describe('an offer of audio only', () => {
  const audio = 'v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n';

  it('is told from all that a lenient provider could take for more', () => {
    expect(offersMoreThanAudio(audio)).toBe(false);
    for (const more of [
      'm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n',
      'm=Application 9 DTLS/SCTP 5000',
      'M=application 9 x',
      ' m = application',
      'a=x\rm=application 9',
      'a=x\u2028m=application 9',
      'm=video 9 UDP/TLS/RTP/SAVPF 96\r\n',
      'm=AUDIO 9 x',
      'a=sctp-port:5000\r\n',
      'a=group:BUNDLE 0 application',
    ]) {
      expect([more, offersMoreThanAudio(audio + more)]).toEqual([more, true]);
    }
  });
});

describe("a client's own sideband", () => {
  it('is for creator and Admins, and sees the call', async () => {
    const { client, callId, sessionId } = await place({ form: { type: 'realtime' } });
    await upstreamCall(sessionId);
    const url = `${bench.host.wsUrl}/v1/realtime?call_id=${callId}`;
    const stranger = await connectClient(url, { caller: 'Developer:eve:default' }).catch(
      (error: Refusal) => error,
    );
    expect(stranger).toMatchObject({ status: 404 });
    const sideband = await connectClient(url, { caller: 'Admin:root:default' });
    await sideband.event('session.created');
    expect(bench.host.audited).toContainEqual(
      expect.objectContaining({ action: 'calls.sideband', target: callId, principal: 'root' }),
    );
    sideband.send({ type: 'session.update', session: { type: 'realtime', instructions: 'New.' } });
    await sideband.event('session.updated');
    sideband.socket.close(1000);
    expect((await sideband.closed).code).toBe(1000);
    expect(await bench.session(sessionId)).toMatchObject({ state: 'connected' });
    await endOf(sessionId);
    await client.close();
    const late = await connectClient(url).catch((error: Refusal) => error);
    expect(late).toMatchObject({ status: 410 });
  });
});

describe("the seeds' way", () => {
  it('POST /sessions, then POST /realtime with its secret', async () => {
    const minted = (await (
      await bench.host.request('/sessions', {
        method: 'POST',
        headers: { ...json, 'api-key': 'dummy_key' },
        body: JSON.stringify({
          model: 'gpt-4o-realtime-preview',
          voice: 'alloy',
          user_id: 'admin@contoso.example',
        }),
      })
    ).json()) as { id: string; client_secret: { value: string } };
    // A label, whoever it names: the session is the caller's.
    const session = await (await bench.host.request(`/v1/sessions/${minted.id}`)).json();
    expect(session).toMatchObject({ label: 'admin@contoso.example', state: 'created' });
    expect(JSON.stringify(session.created_by)).not.toContain('contoso');
    const client = new WebRtcClient();
    const response = await bench.host.request('/realtime?model=gpt-4o-realtime-preview', {
      method: 'POST',
      headers: {
        'content-type': 'text/plain;charset=UTF-8',
        authorization: `Bearer ${minted.client_secret.value}`,
      },
      body: await client.offer(),
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('application/sdp');
    expect(response.headers.get('holdfast-session')).toBe(minted.id);
    await client.accept(await response.text());
    await client.events.next('session.created');
    const record = await upstreamCall(minted.id);
    expect(record).toBeDefined();
    await endOf(minted.id);
    await client.close();
  });
});

describe('offers of other clients', () => {
  it.each(['/v1/realtime', '/openai/v1/realtime'])('are taken at %s itself', async base => {
    const { client, sessionId } = await place({ base, path: '' });
    expect(await bench.session(sessionId)).toMatchObject({ transport: 'webrtc', type: 'realtime' });
    await client.close();
    await bench.host.request(`/v1/sessions/${sessionId}/end`, { method: 'POST' });
  });

  it('may be for a transcription', async () => {
    const audio = { input: { transcription: { model: 'gpt-4o-transcribe' } } };
    const { client, sessionId } = await place({ form: { type: 'transcription', audio } });
    const created = client.events.all.find(event => event.type === 'session.created');
    expect(created?.session).toMatchObject({ type: 'transcription', audio });
    expect(await bench.session(sessionId)).toMatchObject({ type: 'transcription' });
    await client.close();
    await bench.host.request(`/v1/sessions/${sessionId}/end`, { method: 'POST' });
  });
});
