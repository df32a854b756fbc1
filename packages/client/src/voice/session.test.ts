import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Http } from '../http.ts';
import { arrayAudio } from '../testing/audio.ts';
import { startModelServer } from '../testing/model-server.ts';
import { FRAME_SAMPLES } from './audio.ts';
import { VoiceSession, type VoiceSessionOptions } from './session.ts';
import { webSocketTransport } from './websocket.ts';

let model: Awaited<ReturnType<typeof startModelServer>>;
let session: VoiceSession;
afterEach(async () => {
  await session.close();
  await model.close();
});

const vad = { turn_detection: { type: 'server_vad', create_response: true } };

async function open(options: Partial<VoiceSessionOptions> = {}) {
  model = await startModelServer();
  const audio = arrayAudio();
  session = new VoiceSession({
    transport: webSocketTransport({
      http: new Http({ baseUrl: model.url }),
      model: 'gpt-realtime',
      clientSecret: async () => 'ek_1',
    }),
    audio: audio.devices,
    ...options,
  });
  const states: string[] = [];
  session.on('change', ({ state }) => states.at(-1) !== state && states.push(state));
  await session.start();
  const line = await model.line();
  return { line, audio: audio.state, states };
}

const frame = (value: number) => new Int16Array(FRAME_SAMPLES).fill(value);
const sound = (bytes: number) => Buffer.alloc(bytes, 1).toString('base64');
const answer = (id: string) => ({ type: 'response.created', response: { id } });
const delta = (response_id: string, item_id: string) => ({
  type: 'response.output_audio.delta',
  response_id,
  item_id,
  content_index: 0,
  delta: sound(4800),
});

/** Waits until the session has seen all that was sent: events are applied in order. */
async function settled(line: { send(event: object): void }): Promise<void> {
  const seen = new Promise<void>(resolve => {
    const stop = session.on('event', event => {
      if (event.type !== 'test.mark') return;
      stop();
      resolve();
    });
  });
  line.send({ type: 'test.mark' });
  await seen;
}

describe('VoiceSession over WebSocket', () => {
  it('opens with the secret as a subprotocol and learns which server carries it', async () => {
    const { line, states } = await open();
    expect(line.protocols).toBe('realtime, openai-insecure-api-key.ek_1');
    expect(line.url).toBe('/v1/realtime?model=gpt-realtime&acknowledge=true');
    await settled(line);
    expect(session.snapshot.session).toEqual({
      id: 'ses_1',
      revision: 'r',
      replica: 'a',
      resumeToken: null,
    });
    expect(states).toEqual(['connecting', 'listening']);
    await expect(session.start()).rejects.toThrow('once');
  });

  it('sends every frame of the microphone, and its hash is that of what arrived', async () => {
    const { line, audio } = await open({ config: { type: 'realtime', instructions: 'x' } });
    expect(await line.next('session.update')).toMatchObject({ session: { instructions: 'x' } });
    const hash = createHash('sha256');
    const levels: number[] = [];
    session.on('level', value => levels.push(value));
    for (let i = 0; i < 30; i++) audio.speak(frame(i * 100));
    for (let i = 0; i < 30; i++) {
      const { audio: base64 } = await line.next('input_audio_buffer.append');
      hash.update(Buffer.from(String(base64), 'base64'));
    }
    expect(session.stats).toMatchObject({ framesSent: 30, bytesSent: 30 * FRAME_SAMPLES * 2 });
    expect(session.stats.sha256).toBe(hash.digest('hex'));
    expect(levels).toHaveLength(30);
  });

  it('stops at once when the user breaks in, and reports how much was played', async () => {
    const { line, audio, states } = await open();
    line.send({ type: 'session.updated', session: { audio: { input: vad } } });
    line.send(answer('r1'));
    line.send(delta('r1', 'a1'));
    await settled(line);
    expect(audio.heard).toHaveLength(1);
    audio.play(true);
    audio.position = { itemId: 'a1', contentIndex: 0, playedMs: 123.9 };
    line.send({ type: 'input_audio_buffer.speech_started', item_id: 'u1' });
    expect(await line.next('conversation.item.truncate')).toMatchObject({
      item_id: 'a1',
      content_index: 0,
      audio_end_ms: 123,
    });
    line.send(delta('r1', 'a1'));
    line.send(delta('r1', 'a2'));
    await settled(line);
    expect(audio.heard).toHaveLength(1);
    expect(states.slice(2)).toEqual(['thinking', 'speaking', 'listening']);
    line.send({ type: 'response.done', response: { id: 'r1', status: 'cancelled' } });
    line.send(answer('r2'));
    line.send(delta('r2', 'a3'));
    await settled(line);
    expect(audio.heard.at(-1)?.itemId).toBe('a3');
  });

  it('plays on during speech where the configuration disables interruption', async () => {
    const { line, audio } = await open();
    const calm = { turn_detection: { type: 'server_vad', interrupt_response: false } };
    line.send({ type: 'session.updated', session: { audio: { input: calm } } });
    line.send({ type: 'input_audio_buffer.speech_started', item_id: 'u1' });
    await settled(line);
    expect(audio.cleared).toBe(0);
  });

  it('runs tools and requests the next answer when the one that called them is done', async () => {
    const paint = vi.fn(() => ({ ok: true }));
    const { line, states } = await open({ tools: { paint } });
    const item = { id: 'f1', type: 'function_call', name: 'paint', call_id: 'c1', arguments: '{}' };
    line.send(answer('r1'));
    line.send({ type: 'response.output_item.done', response_id: 'r1', item });
    expect(await line.next('conversation.item.create')).toMatchObject({
      item: { type: 'function_call_output', call_id: 'c1', output: '{"ok":true}' },
    });
    line.send({ type: 'response.done', response: { id: 'r1', output: [item], usage: null } });
    await line.next('response.create');
    expect(paint).toHaveBeenCalledOnce();
    expect(session.snapshot.turns).toMatchObject([{ role: 'tool', tool: { status: 'done' } }]);
    expect(session.snapshot.usage.responses).toBe(1);
    expect(states.at(-1)).toBe('thinking');
  });

  it('takes typed words, after stopping the answer under way', async () => {
    const { line, audio } = await open();
    expect(session.sendText('  ')).toBe(false);
    line.send(answer('r1'));
    line.send(delta('r1', 'a1'));
    await settled(line);
    audio.position = { itemId: 'a1', contentIndex: 0, playedMs: 40 };
    expect(session.sendText('Hello')).toBe(true);
    expect(await line.next('response.cancel')).toMatchObject({ response_id: 'r1' });
    expect(await line.next('conversation.item.create')).toMatchObject({
      item: { role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
    });
    await line.next('conversation.item.truncate');
    expect(line.received.some(event => event.type === 'response.create')).toBe(false);
    line.send({ type: 'response.done', response: { id: 'r1', status: 'cancelled' } });
    await line.next('response.create');
  });

  it('asks again when the model was already answering, and reports no problem', async () => {
    const { line } = await open();
    session.sendText('Hello');
    await line.next('response.create');
    line.send(answer('r1'));
    const refused = { code: 'conversation_already_has_active_response', message: 'Busy.' };
    line.send({ type: 'error', error: refused });
    line.send({ type: 'error', error: { code: 'response_cancel_not_active', message: 'None.' } });
    line.send({ type: 'response.done', response: { id: 'r1' } });
    await line.next('response.create');
    expect(session.snapshot.problem).toBeNull();
    line.send({ type: 'error', error: { type: 'server_error', message: 'Odd.' } });
    await settled(line);
    expect(session.snapshot).toMatchObject({
      state: 'listening',
      problem: { code: 'server_error', message: 'Odd.' },
    });
  });

  it('mutes at the microphone and releases everything when closed', async () => {
    const { line, audio, states } = await open();
    session.mute(true);
    expect([audio.muted, session.snapshot.muted]).toEqual([true, true]);
    const closed = new Promise<number>(resolve => line.socket.once('close', resolve));
    await session.close();
    expect(await closed).toBe(1000);
    expect(audio.stopped).toBeGreaterThanOrEqual(2);
    expect(states.at(-1)).toBe('ended');
    expect(session.sendText('too late')).toBe(false);
    session.interrupt();
  });

  it.each([
    [1000, 'ended'],
    [1001, 'ended'],
    [1012, 'failed'],
    [1011, 'failed'],
  ])('after close code %i has %s', async (code, state) => {
    const { line, audio } = await open();
    line.socket.close(code, 'because');
    await vi.waitFor(() => expect(session.snapshot.state).toBe(state));
    expect(session.snapshot.closed).toMatchObject({ code, reason: 'because' });
    await vi.waitFor(() => expect(audio.stopped).toBe(2));
  });

  it('ignores what is not an event', async () => {
    const { line } = await open();
    line.socket.send('not json');
    line.socket.send('[]');
    line.socket.send(Buffer.from([1, 2, 3]));
    line.send({ type: 'response.output_audio.delta', item_id: 'a', delta: '!!!' });
    line.send({ type: 'response.output_audio.delta', delta: sound(2) });
    await settled(line);
    expect(session.snapshot.state).toBe('listening');
  });
});

describe('a VoiceSession that cannot open', () => {
  function unopened(options: Partial<VoiceSessionOptions>) {
    session = new VoiceSession({
      transport: webSocketTransport({
        http: new Http({ baseUrl: model.url, credentials: { kind: 'bearer', token: 'hf_1' } }),
        model: 'm',
        connectTimeoutMs: 100,
      }),
      ...options,
    });
    return session.start().catch((error: unknown) => error);
  }

  it("reports the server's own reason", async () => {
    model = await startModelServer({ greet: false });
    const failing = unopened({});
    const line = await model.line();
    expect(line.protocols).toContain('openai-insecure-api-key.hf_1');
    line.send({ type: 'error', error: { code: 'upstream_rejected', message: 'Refused.' } });
    line.socket.close(1011);
    expect(await failing).toMatchObject({ code: 'upstream_rejected', message: 'Refused.' });
    expect(session.snapshot).toMatchObject({
      state: 'failed',
      problem: { code: 'upstream_rejected' },
    });
  });

  it('gives up when the server stays silent, or is not there', async () => {
    model = await startModelServer({ greet: false });
    expect(await unopened({})).toMatchObject({ code: 'timeout' });
    await model.close();
    expect(await unopened({})).toMatchObject({ code: 'network' });
    expect(session.snapshot.state).toBe('failed');
  });

  it('keeps the error of a browser that refuses the microphone', async () => {
    model = await startModelServer();
    const { devices, state } = arrayAudio();
    state.refuse = new DOMException('Permission denied', 'NotAllowedError');
    expect(await unopened({ audio: devices })).toBe(state.refuse);
    expect(session.snapshot.problem).toMatchObject({ code: 'NotAllowedError' });
    expect(state.stopped).toBeGreaterThanOrEqual(2);
    expect(model.lines).toHaveLength(0);
  });

  it('is over, and no failure, when closed while connecting', async () => {
    model = await startModelServer({ greet: false });
    const starting = unopened({});
    await model.line();
    await session.close();
    await starting;
    expect(session.snapshot).toMatchObject({ state: 'ended', problem: null });
  });
});
