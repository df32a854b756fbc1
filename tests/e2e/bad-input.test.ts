/**
 * What the running server answers when a request or its upstream is wrong: models, upstreams that
 * fail in every way, events that mean nothing, limits. And what it never reveals: see the end.
 */
import { rm } from 'node:fs/promises';
import type { Session } from '@holdfast/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  connectClient,
  eventually,
  Refusal,
} from '../../packages/server/src/realtime/testing/client.ts';
import { type LogWatch, watchLog } from './harness/log-watch.ts';
import { type ModelsFile, writeModelsFile } from './harness/models-file.ts';
import { type Server, startServer, startSimulatorProcess, UPSTREAM_KEY } from './harness/stacks.ts';
import { offerCall } from './harness/webrtc.ts';

/** No server listens there. */
const NOWHERE = 'http://127.0.0.1:9/v1';

let simulator: Awaited<ReturnType<typeof startSimulatorProcess>>;
let models: ModelsFile;
let server: Server;
let log: LogWatch;
let sdp: string;
/** All that clients received, to be searched for secrets in the end. */
const received: string[] = [];

beforeAll(async () => {
  simulator = await startSimulatorProcess();
  models = await writeModelsFile({ 'gpt-realtime': `${simulator.url}/v1`, nowhere: NOWHERE });
  server = await startServer({ HOLDFAST_MODELS_FILE: models.path, OPENAI_API_KEY: UPSTREAM_KEY });
  log = watchLog(server.process);
  const call = await offerCall();
  ({ sdp } = call);
  await call.close();
});
afterAll(async () => {
  await server?.process.stop();
  await rm(server.dataDir, { recursive: true, force: true });
  await models?.remove();
  await simulator?.process.stop();
});
afterEach(() => fetch(`${simulator.url}/_simulator/faults`, { method: 'DELETE' }));

const fault = async (rule: Record<string, unknown>) => {
  const body = JSON.stringify({ times: 1, routes: ['websocket', 'calls'], ...rule });
  const answer = await fetch(`${simulator.url}/_simulator/faults`, { method: 'POST', body });
  expect(answer.status).toBe(201);
};

const wsUrl = (path: string) => server.url.replace('http', 'ws') + path;
const GA = '/v1/realtime?model=gpt-realtime';

interface Received {
  readonly status: number;
  readonly headers: Headers;
  readonly body: { error?: { code: string; message: string; param: string | null } | string } & {
    code?: string;
    allowed?: string[];
  };
}

async function post(path: string, body: string | object, type?: string): Promise<Received> {
  const json = typeof body === 'string' ? body : JSON.stringify(body);
  const headers = { 'content-type': type ?? 'application/json' };
  const answer = await fetch(server.url + path, { method: 'POST', headers, body: json });
  const text = await answer.text();
  received.push(text, JSON.stringify([...answer.headers]));
  return {
    status: answer.status,
    headers: answer.headers,
    body: JSON.parse(text) as Received['body'],
  };
}

async function refusedUpgrade(path: string): Promise<Refusal> {
  const refusal = await connectClient(wsUrl(path)).catch((error: unknown) => error);
  if (!(refusal instanceof Refusal)) throw new Error(`${path} was not refused: ${refusal}`);
  received.push(refusal.message);
  return refusal;
}

/** Connects and answers how it ended: the last `error` event, and the close. */
async function failing(path: string) {
  const client = await connectClient(wsUrl(path));
  const { code } = await client.closed;
  received.push(JSON.stringify(client.events));
  const error = client.events.findLast(event => event.type === 'error')?.error;
  return { code, error: error as { code: string; type: string; message: string } };
}

describe('a model that is missing or unknown', () => {
  it.each(['/v1/realtime', '/openai/v1/realtime', '/openai/realtime?api-version=1'])(
    'is an error in words, and a close that is final, at %s',
    async path => {
      const name = path.startsWith('/openai/realtime') ? 'deployment' : 'model';
      const mark = path.includes('?') ? '&' : '?';
      for (const query of ['', `${mark}${name}=`, `${mark}${name}=gpt-3`]) {
        const { code, error } = await failing(path + query);
        expect([query, code, error]).toMatchObject([
          query,
          1008,
          { type: 'invalid_request_error', code: 'model_not_found', param: 'model' },
        ]);
        const { message } = error;
        expect(message.match(/gpt-realtime, nowhere/g)).toHaveLength(1);
      }
    },
  );

  it.each(['', '/openai'])('is the same over REST below %s/v1/realtime', async base => {
    const answers = [
      await post(`${base}/v1/realtime/client_secrets`, { session: { model: 'gpt-3' } }),
      await post(`${base}/v1/realtime/calls?model=gpt-3`, sdp, 'application/sdp'),
      await post(`${base}/v1/realtime/calls`, sdp, 'application/sdp'),
    ];
    for (const { status, body } of answers) {
      expect([status, body.error]).toMatchObject([
        400,
        { code: 'model_not_found', param: 'model' },
      ]);
      expect(JSON.stringify(body)).toContain('gpt-realtime, nowhere');
    }
  });

  it('is a problem on the older routes', async () => {
    const answers = [
      await post('/sessions', { model: 'gpt-3' }),
      await post('/realtime?model=gpt-3', sdp, 'application/sdp'),
      await post('/realtime', sdp, 'application/sdp'),
    ];
    for (const { status, body } of answers) {
      expect([status, body.code, body.allowed]).toEqual([
        400,
        'unknown_model',
        ['gpt-realtime', 'nowhere'],
      ]);
    }
    expect(await failing('/ws?model=gpt-3')).toMatchObject({
      code: 1008,
      error: { code: 'model_not_found' },
    });
  });
});

const WORDS = 'words of the provider';
/** More often than anybody asks again. */
const refuse = (status: number) => ({
  fault: 'refuse',
  status,
  message: `${WORDS} with ${UPSTREAM_KEY}`,
  times: 10,
});

/** Of the upstream: what it does; of ours: HTTP status, code, and close code of a WebSocket. */
const FAILURES: [string, Record<string, unknown> | string, number, string, number][] = [
  ['is unreachable', 'nowhere', 502, 'upstream_unreachable', 1011],
  [
    'drops the connection',
    { fault: 'reset_before_open', times: 10 },
    502,
    'upstream_unreachable',
    1011,
  ],
  ['answers 401', refuse(401), 502, 'upstream_rejected', 4000],
  ['answers 403', refuse(403), 502, 'upstream_rejected', 4000],
  ['answers 404', refuse(404), 424, 'upstream_refused', 4000],
  ['answers 429', refuse(429), 429, 'rate_limit_exceeded', 1013],
  ['answers 500', refuse(500), 503, 'upstream_error', 1011],
  ['answers 503', refuse(503), 503, 'service_unavailable', 1011],
  ['answers 504', refuse(504), 504, 'upstream_timeout', 1011],
  ['never answers', { fault: 'hang' }, 504, 'upstream_timeout', 1011],
];

describe('an upstream that', () => {
  it.each(FAILURES)('%s', async (_name, rule, status, code, closeCode) => {
    const model = typeof rule === 'string' ? rule : 'gpt-realtime';
    if (typeof rule !== 'string') await fault({ times: 2, ...rule });
    // Both at once: an upstream that never answers is waited for.
    const [rest, socket] = await Promise.all([
      post(`/v1/realtime/calls?model=${model}`, sdp, 'application/sdp'),
      failing(`/v1/realtime?model=${model}`),
    ]);
    expect([rest.status, rest.body.error]).toMatchObject([status, { code }]);
    const hasWords = typeof rule !== 'string' && rule.message !== undefined;
    for (const error of hasWords ? [rest.body.error, socket.error] : []) {
      // What it says of our own credentials is for the operator alone.
      const passed = expect.stringContaining(`${WORDS} with ***`);
      const message = code === 'upstream_rejected' ? expect.not.stringContaining(WORDS) : passed;
      expect(error).toMatchObject({ message });
    }
    expect(rest.headers.has('retry-after')).toBe(status === 429);
    expect(socket).toMatchObject({ code: closeCode, error: { code } });
    await eventually(async () => (await active()).length === 0);
  });

  it('is not needed for client secrets', async () => {
    await fault({ fault: 'refuse', status: 503, routes: ['client_secrets'] });
    expect((await post('/v1/realtime/client_secrets', {})).status).toBe(200);
    const minted = await post('/v1/realtime/client_secrets', { session: { model: 'nowhere' } });
    expect(minted.status).toBe(200);
  });

  it('refuses: its request id is in the log, and nowhere else', async () => {
    await fault({ fault: 'refuse', status: 404, times: 2 });
    const before = ids().length;
    await failing(GA);
    await post('/v1/realtime/calls?model=gpt-realtime', sdp, 'application/sdp');
    const found = await eventually(() => ids().length >= before + 2 && ids().slice(before));
    for (const id of found) expect(received.join('\n')).not.toContain(id);
  });
});

/** The upstream's ids of refused requests, as logged. */
function ids(): string[] {
  return log
    .find(line => line.event === 'bridge.failed')
    .flatMap(line => JSON.stringify(line.error).match(/(?<=request(Id":"| ))req_\w+/g) ?? []);
}

async function active(): Promise<Session[]> {
  const answer = await fetch(`${server.url}/v1/sessions?active=true`);
  return ((await answer.json()) as { data: Session[] }).data;
}

describe('events that mean nothing', () => {
  it.each([
    ['not JSON', 'this is not JSON', 'gpt-realtime'],
    ['no object', '[1,2,3]', 'gpt-realtime'],
    ['an unknown type', '{"type":"brand.new","event_id":"e1"}', 'gpt-realtime'],
    ['a wrong field', '{"type":"session.update","session":7}', 'gpt-realtime'],
  ])('%s: the upstream answers, and the session goes on', async (_name, text) => {
    const client = await connectClient(wsUrl(GA));
    await client.event('holdfast.session');
    client.socket.send(text);
    expect(await client.event('error')).toMatchObject({ error: { message: expect.any(String) } });
    client.send({ type: 'input_audio_buffer.clear' });
    await client.event('input_audio_buffer.cleared');
    client.socket.close(1000);
    await client.closed;
  });

  it('are refused by name in the preview protocol, and the session goes on', async () => {
    const path = '/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-realtime';
    const client = await connectClient(wsUrl(path));
    await client.event('holdfast.session');
    client.send({ type: 'brand.new', event_id: 'e7' });
    const code = 'unsupported_in_preview';
    expect(await client.event('error')).toMatchObject({ error: { code, event_id: 'e7' } });
    const update = { input_audio_format: 'pcm16', voice: 'verse', response_format: { a: 1 } };
    client.send({ type: 'session.update', event_id: 'e8', session: update });
    const named = () => JSON.stringify(client.events).includes('session.response_format');
    await eventually(named);
    client.send({ type: 'session.update', session: { input_audio_format: 'pcm16' } });
    const updated = await client.event('session.updated');
    expect(updated).toMatchObject({ session: { input_audio_format: 'pcm16' } });
    client.socket.close(1000);
    await client.closed;
  });
});

describe('limits', () => {
  it('five sessions of one owner; the sixth gets a time for a retry', async () => {
    await eventually(async () => (await active()).length === 0);
    const clients = [];
    for (let count = 0; count < 5; count++) clients.push(await connectClient(wsUrl(GA)));
    await Promise.all(clients.map(client => client.event('holdfast.session')));
    const socket = await refusedUpgrade(GA);
    expect([socket.status, socket.body]).toMatchObject([429, { error: { code: 'session_limit' } }]);
    expect(Number(socket.headers['retry-after'])).toBeGreaterThan(0);
    const call = await post('/v1/realtime/calls?model=gpt-realtime', sdp, 'application/sdp');
    expect([call.status, call.body.error]).toMatchObject([429, { code: 'session_limit' }]);
    expect(Number(call.headers.get('retry-after'))).toBeGreaterThan(0);
    // A secret is not a session: minting takes no slot.
    expect((await post('/v1/realtime/client_secrets', {})).status).toBe(200);
    for (const client of clients) client.socket.close(1000);
    await eventually(async () => (await active()).length === 0);
  });

  it('requests in a minute; reading is not counted', async () => {
    const small = await startServer({
      OPENAI_BASE_URL: `${simulator.url}/v1`,
      OPENAI_API_KEY: UPSTREAM_KEY,
      HOLDFAST_RATE_LIMIT_PER_MINUTE: '1',
      HOLDFAST_RATE_LIMIT_BURST: '3',
    });
    try {
      const mint = () => fetch(`${small.url}/v1/realtime/client_secrets`, { method: 'POST' });
      const answers = await Promise.all([mint(), mint(), mint(), mint()]);
      expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 429]);
      const refused = answers.find(({ status }) => status === 429)!;
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(1);
      expect(await refused.json()).toMatchObject({ error: { type: 'rate_limit_error' } });
      const url = small.url.replace('http', 'ws') + GA;
      const socket = (await connectClient(url).catch((error: unknown) => error)) as Refusal;
      expect(socket).toMatchObject({ status: 429 });
      expect(Number(socket.headers['retry-after'])).toBeGreaterThan(1);
      expect((await fetch(`${small.url}/v1/sessions`)).status).toBe(200);
    } finally {
      await small.process.stop();
      await rm(small.dataDir, { recursive: true, force: true });
    }
  });
});

it('neither clients nor the log get secrets, whatever the upstream says', () => {
  const answers = received.join('\n');
  expect(answers).not.toContain(UPSTREAM_KEY);
  expect(answers).not.toMatch(/ECONNREFUSED|ECONNRESET|127\.0\.0\.1:9\b|node_modules|\.ts:\d/);
  expect(log.text()).not.toContain(UPSTREAM_KEY);
  expect(log.text()).not.toMatch(/\b(ek|hf)_[\w-]{10}/);
  expect(log.find(line => line.event === 'process.crashed')).toEqual([]);
  expect(log.find(line => line.event === 'bridge.failed').length).toBeGreaterThan(FAILURES.length);
});
