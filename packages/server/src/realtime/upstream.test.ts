import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Upstream } from '../models/index.ts';
import { attachSideband } from './calls/sideband.ts';
import { sessionIdOf, useBench } from './testing/bench.ts';
import { connectClient, eventually, type Refusal } from './testing/client.ts';
import { openRealtimeHost } from './testing/host.ts';
import { dial, upstreamHeaders } from './upstream.ts';

/** Each failure of an upstream: what the client is told, and what becomes of the session. */
const bench = useBench({ dialTimeoutMs: 2_000 });
const path = '/v1/realtime?model=gpt-realtime';

afterEach(() => bench.simulator.clearFaults());

async function failing(url = bench.host.wsUrl) {
  const client = await connectClient(url + path);
  const { code, reason } = await client.closed;
  const error = client.events.find(event => event.type === 'error')?.error;
  return { error: error as { code: string; type: string }, code, reason, events: client.events };
}

async function lastSession(host = bench.host) {
  return await eventually(async () => {
    const list = await host.request('/v1/sessions?limit=1');
    const { data } = (await list.json()) as {
      data: { id: string; state: string; close_reason: string }[];
    };
    return data[0]?.state === 'failed' && data[0];
  });
}

describe('an upstream that cannot be had', () => {
  it.each([
    [401, 'upstream_rejected', 4000],
    [403, 'upstream_refused', 4000],
    [404, 'upstream_refused', 4000],
    [429, 'upstream_rate_limited', 1013],
    [500, 'upstream_error', 1011],
    [503, 'upstream_error', 1011],
    [504, 'upstream_timeout', 1011],
  ])('%d: an error event, a legal close, a failed session', async (status, code, closeCode) => {
    const words = { code: 'word_of_theirs', message: 'words of the provider' };
    await bench.simulator.fault({ fault: 'refuse', status, ...words });
    const failure = await failing();
    // Refused credentials are ours, not the caller's.
    const isOurs = status === 401;
    const shown = isOurs ? code : words.code;
    expect(failure).toMatchObject({ error: { code: shown }, code: closeCode, reason: code });
    const { message = '' } = failure.error as { message?: string };
    expect(message.includes(words.message)).toBe(!isOurs);
    expect(await lastSession()).toMatchObject({ state: 'failed', close_reason: code });
  });

  it.each([
    [
      'a deployment that is missing, on Azure',
      404,
      { body: '{"error":{"code":"DeploymentNotFound","message":"No such deployment."}}' },
      [
        'DeploymentNotFound',
        'The model refused the request: No such deployment. (DeploymentNotFound)',
      ],
    ],
    [
      'an account that is used up',
      429,
      { code: 'insufficient_quota', message: 'You exceeded your current quota.' },
      [
        'insufficient_quota',
        'The model refused the request: You exceeded your current quota. (insufficient_quota)',
      ],
    ],
    [
      'a content policy',
      400,
      { code: 'content_filter', message: 'Filtered.' },
      ['content_filter', 'The model refused the request: Filtered. (content_filter)'],
    ],
  ])('%s looks permanent, once', async (_, status, refusal, [code, message]) => {
    await bench.simulator.fault({ fault: 'refuse', status, ...refusal });
    expect(await failing()).toMatchObject({ error: { code, message }, code: 4000 });
    const failure = bench.host.telemetry.lines('bridge.failed').at(-1);
    expect(failure).toMatchObject({ upstream_status: status, upstream_code: code });
    const { id } = await lastSession();
    const events = await bench.host.request(`/v1/sessions/${id}/events`);
    expect(await events.json()).toMatchObject({
      data: [{}, { type: 'session.failed', data: { upstream_code: code, close_code: 4000 } }],
    });
  });

  it('says for how long it is rate limited, to the client and in the log', async () => {
    const code = 'rate_limit_exceeded';
    await bench.simulator.fault({ fault: 'refuse', status: 429, code, retry_after_s: 120 });
    const failure = await failing();
    expect(failure).toMatchObject({ code: 1013, error: { code, retry_after_s: 120 } });
    expect(failure.error).toMatchObject({
      message: expect.stringContaining('Try again in 120 s.'),
    });
    const logged = bench.host.telemetry.lines('bridge.failed').at(-1);
    expect(logged).toMatchObject({ upstream_retry_after_s: 120 });
  });

  it.each([
    ['fails twice', { fault: 'refuse', status: 503, times: 2 }],
    ['is reset twice', { fault: 'reset_before_open', times: 2 }],
    ['asks to wait a second', { fault: 'refuse', status: 429, retry_after_s: 1, times: 1 }],
  ])('that %s is asked again, and the client notices nothing', async (_, fault) => {
    await bench.simulator.fault(fault);
    const before = bench.host.telemetry.lines('upstream.asked_again').length;
    const client = await connectClient(bench.host.wsUrl + path);
    await client.event('session.created');
    expect(client.events.map(event => event.type)).not.toContain('error');
    const again = bench.host.telemetry.lines('upstream.asked_again').slice(before);
    expect(again).toHaveLength(fault.times);
    expect(await bench.host.telemetry.metric('holdfast_upstream_retries_total')).toBeGreaterThan(0);
    client.socket.close(1000);
    await client.closed;
  });

  it('never repeats a secret that the provider echoes', async () => {
    const key = 'sk-proj-********************************abcd';
    const message = `Incorrect key ${key} of org-AbCdEf123456 at 10.0.3.7 for resource.`;
    const masked = 'Incorrect key *** of *** at *** for resource.';
    await bench.simulator.fault({ fault: 'refuse', status: 404, message });
    expect((await failing()).error).toMatchObject({
      message: `The model refused the request: ${masked}`,
    });
    await bench.simulator.clearFaults();
    await bench.simulator.fault({ fault: 'refuse', status: 401, message });
    expect((await failing()).error).toMatchObject({
      message: 'The model refused our credentials.',
    });
    expect(bench.host.telemetry.text().split(`"upstream_message":"${masked}"`)).toHaveLength(3);
    expect(bench.host.telemetry.text()).not.toContain('**abcd');
  });

  it("keeps the upstream's request id for the log", async () => {
    await bench.simulator.fault({ fault: 'refuse', status: 404 });
    const failure = await failing();
    expect(JSON.stringify(failure.events)).not.toContain('req_');
    const failures = bench.host.telemetry
      .text()
      .split('\n')
      .filter(line => line.includes('bridge.failed'));
    expect(failures.at(-1)).toMatch(/"upstream_request_id":"req_/);
    expect(await bench.host.telemetry.metric('holdfast_upstream_errors_total')).toBeGreaterThan(0);
  });

  it.each([
    ['hangs', { fault: 'hang' }, 'upstream_timeout'],
    ['dies before it opens', { fault: 'reset_before_open' }, 'upstream_unreachable'],
  ])('%s', async (_, fault, code) => {
    await bench.simulator.fault(fault);
    expect(await failing()).toMatchObject({ error: { code }, code: 1011 });
  });

  it('is not there at all', async () => {
    const closed = await listenerThat(socket => socket.destroy());
    closed.server.close();
    const host = await openRealtimeHost(bench.database, { upstreamUrl: closed.url });
    try {
      expect(await failing(host.wsUrl)).toMatchObject({
        error: { code: 'upstream_unreachable', type: 'server_error' },
        code: 1011,
      });
    } finally {
      await host.close();
    }
  });

  it('speaks something else', async () => {
    const other = await listenerThat(socket => socket.end('HTTP/1.1 101 Whatever\r\n\r\n'));
    const host = await openRealtimeHost(bench.database, { upstreamUrl: other.url });
    try {
      expect((await failing(host.wsUrl)).code).toBe(1011);
      await lastSession(host);
    } finally {
      await host.close();
      other.server.close();
    }
  });

  it('frees the place at once', async () => {
    await bench.simulator.fault({ fault: 'refuse', status: 404 });
    for (let i = 0; i < 7; i++) {
      await failing();
      await lastSession();
    }
  });
});

describe('before any upstream is asked', () => {
  it.each([
    ['', 'model_not_found'],
    ['?model=', 'model_not_found'],
    ['?model=no%20model', 'model_not_found'],
    ['?model=gpt-realtime&call_id=rtc_1', 'invalid_request'],
    ['?model=gpt-realtime&intent=transcription', 'invalid_request'],
    ['?model=gpt-realtime&resume=x', 'gone'],
  ])('%s is refused in words', async (query, code) => {
    const before = (await bench.simulator.sessions()).length;
    const client = await connectClient(`${bench.host.wsUrl}/v1/realtime${query}`);
    expect((await client.closed).code).toBe(1008);
    expect(client.events).toMatchObject([{ type: 'error', error: { code } }]);
    if (code === 'model_not_found') expect(JSON.stringify(client.events)).toContain('gpt-realtime');
    expect(await bench.simulator.sessions()).toHaveLength(before);
  });

  it('says over HTTP what a client cannot mend', async () => {
    const url = `${bench.host.wsUrl}/v1/realtime?call_id=rtc_unknown`;
    const refusal = await connectClient(url).catch((error: Refusal) => error);
    expect(refusal).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } });
  });

  it('says 429 with Retry-After to the sixth', async () => {
    const caller = 'Developer:greedy:default';
    const clients = [];
    for (let i = 0; i < 5; i++)
      clients.push(await connectClient(bench.host.wsUrl + path, { caller }));
    const refusal = (await connectClient(bench.host.wsUrl + path, { caller }).catch(
      error => error,
    )) as Refusal;
    expect(refusal).toMatchObject({ status: 429, body: { error: { code: 'session_limit' } } });
    expect(Number(refusal.headers['retry-after'])).toBeGreaterThan(0);
    clients[0]!.socket.close(1000);
    const free = await eventually(() =>
      connectClient(bench.host.wsUrl + path, { caller }).catch(() => undefined),
    );
    // Open to the upstream too: a dial that is late would take a fault of the next test.
    await sessionIdOf(free);
    for (const client of [free, ...clients]) client.socket.close(1000);
  });
});

describe('an upstream that fails later', () => {
  const opened = async () => {
    const client = await connectClient(bench.host.wsUrl + path);
    return { client, id: await sessionIdOf(client) };
  };
  /** No other upstream takes its place. */
  const openedOnce = async () => {
    const session = await opened();
    await bench.simulator.fault({ fault: 'refuse', status: 400 });
    return session;
  };
  afterEach(() => bench.simulator.clearFaults());

  it('expires, and no other is there: the session is expired', async () => {
    await bench.simulator.fault({ fault: 'expire', after_ms: 300, times: 1 });
    const { client, id } = await openedOnce();
    expect(await client.event('error')).toMatchObject({ error: { code: 'session_expired' } });
    expect((await client.closed).code).toBe(1011);
    expect(await bench.settled(id, 'expired')).toMatchObject({ close_reason: 'upstream_expired' });
  });

  it('stores when the upstream will expire', async () => {
    const { client, id } = await opened();
    const session = await eventually(async () => {
      const found = await bench.session(id);
      return found.upstream_expires_at !== null && found;
    });
    expect(session.upstream_session_id).toMatch(/^sess_/);
    client.socket.close(1000);
  });

  it('is cut, and no other is there: an error event, 1011, and the session is lost', async () => {
    await bench.simulator.fault({ fault: 'drop', after_ms: 300, times: 1 });
    const { client, id } = await openedOnce();
    expect(await client.event('error')).toMatchObject({ error: { type: 'invalid_request_error' } });
    expect((await client.closed).code).toBe(1011);
    expect(await bench.settled(id, 'expired')).toMatchObject({ close_reason: 'upstream_lost' });
    expect(await bench.logged(id)).toContain('session.disconnected');
  });

  it.each([
    [1011, 1011, 'expired', 'upstream_lost'],
    [1006, 1011, 'expired', 'upstream_lost'],
    [999, 1011, 'expired', 'upstream_lost'],
    [3000, 3000, 'ended', 'upstream_refused'],
    [4001, 4001, 'ended', 'upstream_refused'],
    [1008, 1008, 'ended', 'upstream_refused'],
  ] as const)('closes with %d: the client gets %d, and it is filed', async (...expected) => {
    const [code, clientCode, state, reason] = expected;
    const said = 'invalid_request_error.invalid_intent';
    await bench.simulator.fault({ fault: 'close', code, reason: said, after_ms: 300, times: 1 });
    const { client, id } = await openedOnce();
    const isPassed = reason === 'upstream_refused';
    expect(await client.closed).toMatchObject({
      code: clientCode,
      ...(isPassed && { reason: said }),
    });
    expect(await bench.settled(id, state)).toMatchObject({ close_reason: reason });
    const events = await bench.host.request(`/v1/sessions/${id}/events`);
    const { data } = (await events.json()) as { data: { data: object }[] };
    // A code that may not be sent is filed as the one that was sent in its place.
    const filed = { reason, close_code: clientCode, close_text: said };
    expect(data.map(event => event.data)).toContainEqual(expect.objectContaining(filed));
  });

  it.each([
    [
      { type: 'conversation.item.input_audio_transcription.failed', item_id: 'i' },
      'transcript.failed',
      { item_id: 'i', error_code: 'model_not_found' },
    ],
    [
      { type: 'response.done', response: { id: 'r', status: 'failed' } },
      'response.done',
      { status: 'failed', error_code: 'model_not_found' },
    ],
    [{ type: 'error' }, 'upstream.error', { error_code: 'model_not_found' }],
  ])('reports $type: in the log of the session and of the server', async (event, type, data) => {
    const error = { type: 'invalid_request_error', code: 'model_not_found', message: 'Not yours.' };
    const text = JSON.stringify(
      'response' in event
        ? { ...event, response: { ...event.response, status_details: { type: 'failed', error } } }
        : { ...event, error },
    );
    await bench.simulator.fault({ fault: 'text', text, after_ms: 100, times: 1 });
    const { client, id } = await opened();
    await client.event(event.type);
    client.socket.close(1000);
    await bench.settled(id, 'ended');
    const { data: events } = (await (
      await bench.host.request(`/v1/sessions/${id}/events`)
    ).json()) as { data: { type: string; data: object }[] };
    const logged = events.find(one => one.type === type);
    expect(logged?.data).toMatchObject(data);
    expect(JSON.stringify(logged)).toContain(error.message);
    const line = bench.host.telemetry.lines('upstream.trouble').at(-1);
    expect(line).toMatchObject({ session_id: id, log_event: type, error_code: error.code });
    expect(JSON.stringify(line)).not.toContain(error.message);
  });
});

describe('a client', () => {
  it.each([
    ['1000', 1000, 'ended', 'client_closed'],
    ['1001', 1001, 'ended', 'client_closed'],
    ['no code', undefined, 'ended', 'client_closed'],
    ['a private code', 4000, 'ended', 'client_closed'],
    ['another private code', 3001, 'ended', 'client_closed'],
    ['an error of its own', 1011, 'expired', 'client_lost'],
  ])('that closes with %s', async (_, code, state, reason) => {
    const client = await connectClient(bench.host.wsUrl + path);
    const id = await sessionIdOf(client);
    client.socket.close(code);
    const session = await bench.settled(id, state as 'ended');
    expect(session.close_reason).toBe(reason);
  });

  it('that vanishes loses its session, and its place is free', async () => {
    const client = await connectClient(bench.host.wsUrl + path);
    const id = await sessionIdOf(client);
    client.socket.terminate();
    expect(await bench.settled(id, 'expired')).toMatchObject({ close_reason: 'client_lost' });
  });

  it('that breaks the rules of the framing is closed with 1002', async () => {
    const client = await connectClient(bench.host.wsUrl + path);
    const id = await sessionIdOf(client);
    const raw = (client.socket as unknown as { _socket: Socket })._socket;
    raw.write(Buffer.from([0xf1, 0x80, 0, 0, 0, 0]));
    expect((await client.closed).code).toBe(1002);
    expect(await bench.settled(id, 'expired')).toMatchObject({
      close_reason: 'client_protocol_error',
    });
  });
});

/** A vault that never answers. The address is never asked. */
const unanswering: Upstream = {
  provider: 'compatible',
  deployment: 'm',
  wsUrl: () => 'ws://127.0.0.1:9/',
  clientSecretsUrl: () => '',
  callsUrl: 'http://127.0.0.1:9/',
  callUrl: () => 'http://127.0.0.1:9/',
  headers: () => new Promise(() => {}),
};

describe('the credentials of an upstream', () => {
  it('gives credentials that come in time', async () => {
    const headers = async () => ({ 'api-key': 'k' });
    expect(await upstreamHeaders({ headers }, { timeoutMs: 1_000 })).toEqual({ 'api-key': 'k' });
  });

  it('passes on why there are none', async () => {
    const headers = () => Promise.reject(new Error('no'));
    await expect(upstreamHeaders({ headers }, { timeoutMs: 1_000 })).rejects.toThrow('no');
  });

  it('dials no longer than it may, credentials included', async () => {
    const late = dial({ upstream: unanswering, requestId: 'req_1', timeoutMs: 20 });
    await expect(late).rejects.toMatchObject({ code: 'upstream_timeout' });
  });

  it.each(['before', 'meanwhile'])('ends the wait when it is aborted %s', async when => {
    const abort = new AbortController();
    const { signal } = abort;
    if (when === 'before') abort.abort();
    const target = { upstream: unanswering, callId: 'rtc_1', requestId: 'req_1', signal };
    const events = { onOpen() {}, onText() {}, onEnd() {} };
    const waits = [
      dial({ upstream: unanswering, requestId: 'req_1', timeoutMs: 60_000, signal }),
      attachSideband(target, events),
    ];
    abort.abort();
    for (const wait of waits) {
      await expect(wait).rejects.toMatchObject({ code: 'upstream_unreachable' });
    }
  });
});

async function listenerThat(
  answer: (socket: Socket) => void,
): Promise<{ server: Server; url: string }> {
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { server, url: `http://127.0.0.1:${port}` };
}
