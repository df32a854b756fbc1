/** The inspection routes: access, settings at run time, load mode and its hashes. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_ENDED_SESSIONS } from '../limits.ts';
import { type Simulator, startSimulator } from '../server.ts';
import { until } from '../testing/events.ts';
import { silence, tone } from '../testing/sound.ts';
import { WebSocketClient } from '../testing/websocket-client.ts';
import { SessionRecord } from './record.ts';
import { Registry } from './registry.ts';

const PATH = '/v1/realtime?model=gpt-realtime';
let simulator: Simulator;

beforeEach(async () => {
  simulator = await startSimulator({ seed: 'inspect' });
});
afterEach(() => simulator.close());

const inspect = (path: string, options: RequestInit = {}) =>
  fetch(`${simulator.url}/_simulator/${path}`, options);

describe('inspection', () => {
  it('refuses web pages and unknown paths', async () => {
    const headers = { origin: 'http://localhost:8080' };
    expect((await inspect('sessions', { headers })).status).toBe(403);
    expect((await inspect('nothing')).status).toBe(404);
    expect((await inspect('sessions/sess_none')).status).toBe(404);
  });

  it('shows the envelope of the received audio', async () => {
    const client = await WebSocketClient.open(simulator, PATH);
    const { session } = await client.events.next('session.created');
    client.speak(tone(400));
    client.speak(silence(200));
    const envelope = await until('the envelope', async () => {
      const view = (await (await inspect(`sessions/${session.id}/envelope`)).json()) as {
        window_ms: number;
        rms: number[];
      };
      return view.rms.length === 30 ? view : undefined;
    });
    expect(envelope.window_ms).toBe(20);
    expect(envelope.rms[5]).toBeCloseTo(8_000 / 32_768 / Math.SQRT2, 2);
    expect(envelope.rms[25]).toBe(0);
    await client.close();
  });

  it('changes behaviour for new sessions, all or nothing', async () => {
    const patch = (body: object) =>
      inspect('settings', { method: 'PATCH', body: JSON.stringify(body) });
    expect((await patch({ speed: -1 })).status).toBe(400);
    expect((await patch({ apiKey: 'x' })).status).toBe(400);
    expect((await patch({ speed: 0, script: [{ say: 'Hi.' }] })).status).toBe(200);
    const settings = (await (await inspect('settings')).json()) as { speed: number };
    expect(settings.speed).toBe(0);
    const client = await WebSocketClient.open(simulator, PATH);
    client.send({ type: 'response.create' });
    const said = await client.events.next('response.output_audio_transcript.done');
    expect(said.transcript).toBe('Hi.');
    await client.close();
  });

  it('drops ended sessions on DELETE, and beyond its limit', async () => {
    await (await WebSocketClient.open(simulator, PATH)).close();
    await until('the end', async () => {
      const { data } = (await (await inspect('sessions')).json()) as { data: { state: string }[] };
      return data[0]?.state === 'closed' || undefined;
    });
    const left = (await (await inspect('sessions', { method: 'DELETE' })).json()) as {
      data: unknown[];
    };
    expect(left.data).toEqual([]);
    const registry = new Registry();
    const request = { path: '', query: {}, headers: {}, auth: null };
    for (let count = 0; count < MAX_ENDED_SESSIONS + 10; count++) {
      const id = `sess_${count}`;
      const record = new SessionRecord({
        id,
        transport: 'websocket',
        model: 'm',
        request,
        nowMs: 0,
      });
      registry.add(record);
      record.end({ by: 'client', code: 1000, reason: '' }, 0);
      registry.ended(record);
    }
    expect(registry.list()).toHaveLength(MAX_ENDED_SESSIONS);
    expect(registry.find('sess_0')).toBeUndefined();
  });
});

describe('load mode', () => {
  it('streams at its rate, counts and hashes both ways, and stops when cancelled', async () => {
    await simulator.close();
    simulator = await startSimulator({
      mode: 'load',
      loadFrameBytes: 960,
      loadFramesPerSecond: 200,
    });
    const client = await WebSocketClient.open(simulator, PATH);
    const { session } = await client.events.next('session.created');
    const samples = tone(500);
    client.speak(samples, 480);
    await until('some frames', () => client.events.of('response.output_audio.delta').length >= 40);
    client.send({ type: 'response.cancel' });
    const done = await client.events.next('response.done');
    expect(done.response.status).toBe('cancelled');
    const deltas = client.events.of('response.output_audio.delta');
    const sent = createHash('sha256');
    for (const event of deltas) sent.update(Buffer.from(event.delta as string, 'base64'));
    const view = (await (await inspect(`sessions/${session.id}`)).json()) as {
      sent_sha256: string;
      audio_sha256: string;
      sent: { audio_bytes: number };
    };
    expect(view.sent_sha256).toBe(sent.digest('hex'));
    expect(view.sent.audio_bytes).toBe(deltas.length * 960);
    const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
    expect(view.audio_sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    client.speak(tone(100));
    client.send({ type: 'input_audio_buffer.clear' });
    await client.events.next('input_audio_buffer.cleared');
    expect(client.events.of('response.created')).toHaveLength(1);
    await client.close();
  });

  it('waits for a reader that does not read, at rate 0', async () => {
    await simulator.close();
    simulator = await startSimulator({
      mode: 'load',
      loadFrameBytes: 100_000,
      loadFramesPerSecond: 0,
    });
    const client = await WebSocketClient.open(simulator, PATH);
    const { session } = await client.events.next('session.created');
    client.socket.pause();
    client.send({ type: 'response.create' });
    const sentBytes = async () =>
      ((await (await inspect(`sessions/${session.id}`)).json()) as { sent: { bytes: number } }).sent
        .bytes;
    let before = -1;
    const stuck = await until('a standstill', async () => {
      const now = await sentBytes();
      const still = now > 1_000_000 && now === before;
      before = now;
      return still ? now : undefined;
    });
    expect(stuck).toBeLessThan(32_000_000);
    client.socket.resume();
    await until('more', async () => ((await sentBytes()) > stuck ? true : undefined));
    client.socket.terminate();
    await client.closed;
  });
});
