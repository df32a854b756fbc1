/** The WebSocket routes themselves: access, refusals, limits, closing. */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concat, toBytes } from '../audio/pcm.ts';
import { MAX_APPEND_BASE64_BYTES, MAX_MESSAGE_BYTES } from '../limits.ts';
import { type Simulator, startSimulator } from '../server.ts';
import { until } from '../testing/events.ts';
import { silence, tone } from '../testing/sound.ts';
import { WebSocketClient } from '../testing/websocket-client.ts';

const KEY = 'sk-sockets';
let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator({ apiKey: KEY, seed: 'sockets', models: ['gpt-realtime'] });
});
afterEach(() => simulator.close());

const PATH = '/v1/realtime?model=gpt-realtime';

/** The answer to an upgrade, as text. */
function rawUpgrade(path: string, headers: string[] = []): Promise<string> {
  const { hostname, port } = new URL(simulator.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    const lines = [
      `GET ${path} HTTP/1.1`,
      'Host: x',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      ...headers,
    ];
    let text = '';
    socket.on('data', data => {
      text += data;
      if (text.includes('101 Switching') && text.includes('\r\n\r\n')) socket.end();
    });
    socket.on('error', reject).on('close', () => resolve(text));
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  });
}

// biome-ignore lint/suspicious/noExplicitAny: a view of unknown shape
async function sessions(): Promise<any[]> {
  const response = await fetch(`${simulator.url}/_simulator/sessions`);
  return ((await response.json()) as { data: unknown[] }).data;
}

describe('access', () => {
  const bearer = [`Authorization: Bearer ${KEY}`];
  it.each([
    ['no key', PATH, [], 401],
    ['a wrong key', PATH, ['Authorization: Bearer sk-no'], 401],
    ['an unknown client secret', PATH, ['Authorization: Bearer ek_no'], 401],
    ['no model', '/v1/realtime', bearer, 400],
    ['an unknown model', '/v1/realtime?model=other', bearer, 404],
    ['an unknown call', '/v1/realtime?call_id=rtc_x', bearer, 404],
    ['two targets', `${PATH}&call_id=rtc_x`, bearer, 400],
    ['another intent', '/v1/realtime?intent=translation', bearer, 400],
    ['an api-version', `/openai${PATH}&api-version=2025-04-01-preview`, bearer, 401],
    ['another path', '/v2/realtime?model=gpt-realtime', bearer, 404],
  ])('refuses %s', async (_name, path, headers, status) => {
    const answer = await rawUpgrade(path, headers);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer.toLowerCase()).toContain('x-request-id: req_');
    const { error } = JSON.parse(answer.slice(answer.indexOf('{')));
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
    expect(answer).not.toContain(KEY);
    expect(await sessions()).toEqual([]);
  });

  it.each([
    ['bearer', PATH, bearer],
    ['api-key', PATH, [`api-key: ${KEY}`]],
    ['query', `${PATH}&api-key=${KEY}`, []],
    ['subprotocol', PATH, [`Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.${KEY}`]],
    ['bearer', `/openai${PATH}`, bearer],
  ])('lets in by %s, and shows which without the key', async (kind, path, headers) => {
    const answer = await rawUpgrade(path, headers);
    expect(answer).toContain('HTTP/1.1 101');
    expect(answer).not.toContain(KEY);
    expect(/sec-websocket-protocol: realtime\r\n/i.test(answer)).toBe(kind === 'subprotocol');
    const [session] = await sessions();
    const digest = createHash('sha256').update(KEY).digest('hex');
    expect(session.request.auth).toEqual({ kind, key_sha256: digest.slice(0, 12) });
    expect(JSON.stringify(session)).not.toContain(KEY);
  });

  it('never compresses, though clients offer it', async () => {
    const offer = 'Sec-WebSocket-Extensions: permessage-deflate';
    const answer = await rawUpgrade(PATH, [...bearer, offer]);
    expect(answer.toLowerCase()).not.toContain('permessage-deflate');
  });
});

describe('a connection', () => {
  it('proves what it received', async () => {
    const client = await WebSocketClient.open(simulator, PATH, KEY);
    await client.events.next('session.created');
    const samples = concat([tone(900), silence(900)]);
    client.speak(samples, 1_111);
    await client.events.next('response.done');
    expect(await client.close()).toMatchObject({ code: 1000 });
    const view = await until('the end of the session', async () =>
      (await sessions()).find(session => session.state === 'closed'),
    );
    const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(view.audio_sha256).toBe(sha256(toBytes(samples)));
    const deltas = client.events.of('response.output_audio.delta').map(event => event.delta);
    const spoken = deltas.map(delta => Buffer.from(delta as string, 'base64'));
    expect(view.sent_sha256).toBe(sha256(Buffer.concat(spoken)));
    expect(view.received.events).toEqual({ 'input_audio_buffer.append': 39 });
    expect(view.sent.frames).toBe(client.events.all.length);
    expect(view.close).toEqual({ by: 'client', code: 1000, reason: '' });
  });

  it('takes a 15 MiB append, refuses a longer one, and closes 1009 above 20 MiB', async () => {
    const client = await WebSocketClient.open(simulator, PATH, KEY);
    const append = (size: number) =>
      client.send({ type: 'input_audio_buffer.append', audio: 'A'.repeat(size) });
    append(MAX_APPEND_BASE64_BYTES);
    client.send({ type: 'input_audio_buffer.clear' });
    await client.events.next('input_audio_buffer.cleared');
    expect(client.events.of('error')).toEqual([]);
    append(MAX_APPEND_BASE64_BYTES + 4);
    expect((await client.events.next('error')).error.code).toBe('string_above_max_length');
    append(MAX_MESSAGE_BYTES);
    expect((await client.closed).code).toBe(1009);
  });

  it('answers pings and expires with 1001', async () => {
    const settings = { method: 'PATCH', body: JSON.stringify({ sessionLifetimeMs: 300 }) };
    await fetch(`${simulator.url}/_simulator/settings`, settings);
    const client = await WebSocketClient.open(simulator, PATH, KEY);
    const pong = new Promise(resolve => client.socket.once('pong', resolve));
    client.socket.ping('x');
    expect(String(await pong)).toBe('x');
    const { session } = await client.events.next('session.created');
    expect(session.expires_at).toBeLessThan(Date.now() / 1000 + 3);
    expect((await client.events.next('error')).error.code).toBe('session_expired');
    expect((await client.closed).code).toBe(1001);
  });

  it('is gone when the simulator closes', async () => {
    const client = await WebSocketClient.open(simulator, PATH, KEY);
    await client.events.next('session.created');
    await simulator.close();
    expect((await client.closed).code).toBe(1006);
    simulator = await startSimulator();
  });
});
