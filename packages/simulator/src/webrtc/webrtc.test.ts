/**
 * Calls over WebRTC from werift to werift: signalling, events, media both ways, sideband, hang-up.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { concat } from '../audio/pcm.ts';
import { MAX_OPEN_CALLS } from '../limits.ts';
import { type Simulator, startSimulator } from '../server.ts';
import { until } from '../testing/events.ts';
import { babble, bestCorrelation, envelope, silence } from '../testing/sound.ts';
import { WebRtcClient } from '../testing/webrtc-client.ts';
import { WebSocketClient } from '../testing/websocket-client.ts';

const SPEECH = babble([9_000, 3_000, 12_000, 5_000, 15_000, 2_500, 8_000, 4_000, 14_000, 6_000]);
const KEY = 'sk-test';
const TOOL = {
  type: 'function',
  name: 'changeBackgroundColor',
  parameters: { type: 'object', properties: { color: { type: 'string' } } },
};

let simulator: Simulator;
let client: WebRtcClient;

beforeEach(async () => {
  simulator = await startSimulator({ apiKey: KEY, seed: 'webrtc', speed: 20 });
  client = new WebRtcClient();
});

afterEach(async () => {
  await client.close();
  await simulator.close();
});

async function call(session: object = {}): Promise<{ callId: string; response: Response }> {
  const form = new FormData();
  form.set('sdp', new Blob([await client.offer()], { type: 'application/sdp' }));
  const config = { type: 'realtime', model: 'gpt-realtime', ...session };
  form.set('session', new Blob([JSON.stringify(config)], { type: 'application/json' }));
  const response = await fetch(`${simulator.url}/v1/realtime/calls`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}` },
    body: form,
  });
  await client.accept(await response.text());
  return { callId: response.headers.get('location')?.split('/').at(-1) ?? '', response };
}

// biome-ignore lint/suspicious/noExplicitAny: a view of unknown shape
async function view(path: string): Promise<any> {
  return (await fetch(`${simulator.url}/_simulator/sessions/${path}`)).json();
}

describe('signalling', () => {
  it('refuses a wrong key, a body that is no offer, and an unknown call', async () => {
    const post = (path: string, key: string, type: string, body: string) =>
      fetch(`${simulator.url}/v1/realtime/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': type },
        body,
      });
    expect((await post('calls', 'sk-wrong', 'application/sdp', 'v=0')).status).toBe(401);
    expect((await post('calls', KEY, 'text/plain', 'v=0')).status).toBe(400);
    expect((await post('calls?model=m', KEY, 'application/sdp', 'hello')).status).toBe(400);
    expect((await post('calls?model=m', KEY, 'application/sdp', 'v=0\r\n')).status).toBe(400);
    expect((await post('calls/rtc_none/hangup', KEY, 'text/plain', '')).status).toBe(404);
  });

  it('takes a bare offer with a client secret and uses its configuration', async () => {
    const secret = await fetch(`${simulator.url}/openai/v1/realtime/client_secrets`, {
      method: 'POST',
      headers: { 'api-key': KEY, 'content-type': 'application/json' },
      body: JSON.stringify({
        session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Be kind.' },
      }),
    });
    const { value } = (await secret.json()) as { value: string };
    const response = await fetch(`${simulator.url}/openai/v1/realtime/calls`, {
      method: 'POST',
      headers: { authorization: `Bearer ${value}`, 'content-type': 'application/sdp' },
      body: await client.offer(),
    });
    expect(response.status).toBe(201);
    expect(response.headers.get('content-type')).toBe('application/sdp');
    expect(response.headers.get('location')).toMatch(/^\/openai\/v1\/realtime\/calls\/rtc_/);
    await client.accept(await response.text());
    const created = await client.events.next('session.created');
    expect(created.session.instructions).toBe('Be kind.');
  });
});

describe('a call', () => {
  it('receives speech, answers with it, and reports when its voice starts and stops', async () => {
    const { callId } = await call({ audio: { input: { transcription: { model: 'whisper-1' } } } });
    await client.events.next('session.created');
    await client.speak(concat([silence(200), SPEECH, silence(800)]));
    await client.events.next('input_audio_buffer.speech_stopped');
    await client.events.next('conversation.item.input_audio_transcription.completed');
    await client.events.next('output_audio_buffer.started');
    await client.events.next('output_audio_buffer.stopped');
    expect(client.events.types).toContain('response.done');
    expect(client.events.types).not.toContain('response.output_audio.delta');
    const received = (await view(`${callId}/envelope`)).rms as number[];
    expect(bestCorrelation(envelope(SPEECH), received)).toBeGreaterThan(0.8);
    expect(bestCorrelation(envelope(SPEECH), envelope(client.heard))).toBeGreaterThan(0.8);
    const record = await view(callId);
    expect(record.transport).toBe('webrtc');
    expect(record.received.audio_bytes).toBeGreaterThan(80_000);
    expect(record.audio_sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('never numbers an application record like one of the handshake', async () => {
    await call();
    await client.events.next('session.created');
    for (let count = 0; count < 10; count++) client.send({ type: 'input_audio_buffer.clear' });
    for (let count = 0; count < 10; count++) await client.events.next('input_audio_buffer.cleared');
    const numbers = (type: string) =>
      client.records.filter(name => name.startsWith(type)).map(name => name.slice(3));
    const handshake = new Set(numbers('22'));
    expect(handshake.size).toBeGreaterThan(0);
    expect(numbers('23').length).toBeGreaterThan(10);
    expect(numbers('23').filter(number => handshake.has(number))).toEqual([]);
  });

  it('calls functions over the data channel and refuses audio events there', async () => {
    await call({ tools: [TOOL] });
    await client.events.next('session.created');
    client.send({ type: 'input_audio_buffer.append', event_id: 'mine', audio: 'AAAA' });
    expect((await client.events.next('error')).error.event_id).toBe('mine');
    client.send({
      type: 'conversation.item.create',
      item: {
        type: 'message',
        role: 'user',
        content: [{ type: 'input_text', text: 'make the background #aabbcc' }],
      },
    });
    client.send({ type: 'response.create' });
    const done = await client.events.next('response.function_call_arguments.done');
    expect(JSON.parse(done.arguments)).toEqual({ color: '#aabbcc' });
  });

  it('stops its voice when interrupted, and truncates what was not played', async () => {
    await call();
    await client.events.next('session.created');
    await client.speak(concat([SPEECH, SPEECH, SPEECH, silence(700)]));
    await client.events.next('output_audio_buffer.started');
    await client.speak(concat([SPEECH, silence(100)]));
    await client.events.next('output_audio_buffer.cleared');
    const truncated = await client.events.next('conversation.item.truncated');
    expect(truncated.audio_end_ms).toBeGreaterThan(0);
    expect(truncated.audio_end_ms).toBeLessThan(2_400);
  });

  it('lets a sideband watch and change the session, and closes it with the call', async () => {
    const { callId } = await call();
    await client.events.next('session.created');
    const sideband = await WebSocketClient.open(simulator, `/v1/realtime?call_id=${callId}`, KEY);
    const created = await sideband.events.next('session.created');
    expect(created.session.id).toBe((await view(callId)).id);
    const update = { type: 'realtime', instructions: 'From the side.' };
    sideband.send({ type: 'session.update', session: update });
    const seen = await client.events.next('session.updated');
    expect(seen.session.instructions).toBe('From the side.');
    await sideband.events.next('session.updated');
    const hangUp = await fetch(`${simulator.url}/v1/realtime/calls/${callId}/hangup`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}` },
    });
    expect(hangUp.status).toBe(200);
    expect((await sideband.closed).code).toBe(1000);
    await client.closed;
    expect((await view(callId)).close).toMatchObject({ by: 'server', reason: 'hangup' });
  });

  it('gives a sideband the voice too when asked, and counts it once', async () => {
    const settings = { method: 'PATCH', body: JSON.stringify({ sidebandAudio: true }) };
    await fetch(`${simulator.url}/_simulator/settings`, settings);
    const { callId } = await call();
    await client.events.next('session.created');
    const sideband = await WebSocketClient.open(simulator, `/v1/realtime?call_id=${callId}`, KEY);
    sideband.send({ type: 'response.create' });
    await sideband.events.next('output_audio_buffer.stopped');
    const deltas = sideband.events.of('response.output_audio.delta').map(event => event.delta);
    const voice = Buffer.concat(deltas.map(delta => Buffer.from(delta as string, 'base64')));
    expect((await view(callId)).sent.audio_bytes).toBe(voice.length);
    expect(client.events.of('response.output_audio.delta')).toEqual([]);
    await sideband.close();
  });

  it('expires with an error on the data channel, and 1001 for the sideband', async () => {
    const settings = { method: 'PATCH', body: JSON.stringify({ sessionLifetimeMs: 2_000 }) };
    await fetch(`${simulator.url}/_simulator/settings`, settings);
    const { callId } = await call();
    const sideband = await WebSocketClient.open(simulator, `/v1/realtime?call_id=${callId}`, KEY);
    expect((await client.events.next('error')).error.code).toBe('session_expired');
    expect((await sideband.closed).code).toBe(1001);
    await client.closed;
  });

  it('refuses a call beyond the limit', async () => {
    const offer = await client.offer();
    const post = () =>
      fetch(`${simulator.url}/v1/realtime/calls?model=m`, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/sdp' },
        body: offer,
      });
    const statuses: number[] = [];
    for (let count = 0; count <= MAX_OPEN_CALLS; count++) statuses.push((await post()).status);
    expect(statuses.filter(status => status === 201)).toHaveLength(MAX_OPEN_CALLS);
    expect(statuses.at(-1)).toBe(429);
  });

  it('ends when the caller closes', async () => {
    const { callId } = await call();
    await client.events.next('session.created');
    await client.close();
    const ended = await until('the end of the call', async () => {
      const record = await view(callId);
      return record.state === 'closed' ? record : undefined;
    });
    expect(ended.close.by).toBe('client');
    client = new WebRtcClient();
  });
});

it('refuses a sideband of a call that does not exist', async () => {
  const refused = WebSocketClient.open(simulator, '/v1/realtime?call_id=rtc_none', KEY);
  await expect(refused).rejects.toThrow('404');
});
