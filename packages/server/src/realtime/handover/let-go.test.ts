import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type SimulatorService, startSimulator } from '../../../../../tools/services/simulator.ts';
import { type BlobStore, openFilesystemBlobs } from '../../platform/blobs/index.ts';
import type { Database } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import { randomMasterKey } from '../../platform/log/testing.ts';
import { createSealer } from '../../platform/secrets/index.ts';
import { type ConnectOptions, connectClient, eventually } from '../testing/client.ts';
import { openRealtimeHost, type RealtimeHost } from '../testing/host.ts';
import { introduction, SteadyClient } from '../testing/steady-client.ts';

const PATH = '/v1/realtime?model=gpt-realtime';
const LONG = 'A long answer, word after word. '.repeat(5);

let dir: string;
let database: Database;
let simulator: SimulatorService;
let blobs: BlobStore;
let open: () => Promise<RealtimeHost>;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-handover-'));
  [database, simulator] = await Promise.all([openTestDatabase(), startSimulator()]);
  const signingKey = new Uint8Array(32);
  blobs = await openFilesystemBlobs({ dir, baseUrl: () => 'http://localhost', signingKey });
  const sealer = createSealer({ database, masterKeys: randomMasterKey() });
  const shared = { blobs, sealer, upstreamUrl: simulator.url, reconnectWindowMs: 10_000 };
  open = () => openRealtimeHost(database, shared);
});
afterAll(async () => {
  await simulator.stop();
  await database.close();
  await blobs.close();
  await rm(dir, { recursive: true, force: true });
});

/** One that stops, and one that stays. */
let first: RealtimeHost;
let second: RealtimeHost;
let hurry: AbortController;
beforeEach(async () => {
  [first, second] = await Promise.all([open(), open()]);
  hurry = new AbortController();
});
afterEach(async () => {
  await simulator.behave({ script: [] });
  await simulator.clearFaults();
  await Promise.all([first.close(), second.close()]);
});

interface UpstreamRecord {
  readonly id: string;
  readonly received: { readonly events: Record<string, number> };
}

const left = async (id: string) => {
  const keys: string[] = [];
  for await (const key of blobs.list(`handovers/${id}/`)) keys.push(key);
  return keys;
};

/** A client of the first host; it comes back to the second one. */
async function client(options: ConnectOptions = {}, path = PATH) {
  let host = first;
  const steady = await SteadyClient.open(() => host.wsUrl + path, options);
  return Object.assign(steady, {
    async move(code = 1012) {
      expect(await steady.closed).toMatchObject({ code });
      host = second;
      await steady.comeBack();
    },
  });
}

function ask(steady: SteadyClient, text: string): void {
  steady.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
  });
  steady.send({ type: 'response.create' });
}

const answers = (steady: SteadyClient, status: string) =>
  steady
    .of('response.done')
    .filter(({ response }) => (response as { status: string }).status === status);

describe('a session whose process stops', () => {
  it('goes on in another one, which knows the conversation', async () => {
    const steady = await client();
    ask(steady, 'The first question');
    await eventually(() => answers(steady, 'completed').length === 1);
    const drained = first.realtime.registry.drain(hurry.signal);
    await steady.move();
    await drained;
    expect(steady.of('holdfast.session.going_away')).toHaveLength(1);
    expect(steady.resumptions).toMatchObject([{ input: 2, lost: 0, withheld: 0 }]);
    expect(steady.replica).toBe(second.leases.replica);
    ask(steady, 'The second question');
    await eventually(() => answers(steady, 'completed').length === 2);
    const { id } = steady;
    const session = await (await second.request(`/v1/sessions/${id}`)).json();
    expect(session).toMatchObject({ state: 'connected' });
    const records = (await simulator.sessions()) as unknown as UpstreamRecord[];
    const upstream = records.find(({ id }) => id === session.upstream_session_id);
    // Question, answer, a word on going on, and the second question.
    expect(upstream?.received.events).toMatchObject({ 'conversation.item.create': 4 });
    expect(await left(steady.id)).toEqual([]);
    steady.close();
    await eventually(async () => {
      const { state, usage } = await (await second.request(`/v1/sessions/${id}`)).json();
      return state === 'ended' && usage.responses === 2;
    });
    const log = await (await second.request(`/v1/sessions/${id}/events?limit=1000`)).json();
    const types = log.data.map(({ type }: { type: string }) => type);
    const story = ['session.disconnected', 'session.gap', 'session.connected'];
    expect(types.filter((type: string) => story.includes(type))).toEqual([
      'session.connected',
      ...story,
    ]);
    expect(types).toContain('session.upstream_replaced');
  });

  it('is moved in a pause; an answer that does not end is asked for again', async () => {
    await simulator.behave({ script: [{ say: LONG }] });
    const steady = await client();
    ask(steady, 'Tell me');
    await eventually(() => steady.of('response.output_audio.delta').length > 3);
    const drained = first.realtime.registry.drain(hurry.signal);
    const move = steady.move();
    const untilHurried = new Promise(resolve => setTimeout(resolve, 300));
    await untilHurried;
    expect(first.realtime.registry.size).toBe(1);
    hurry.abort();
    await Promise.all([move, drained]);
    await eventually(() => answers(steady, 'completed').length === 1);
    expect(answers(steady, 'cancelled')).toHaveLength(1);
    const ids = steady.received.map(({ event_id }) => event_id);
    expect(ids).toHaveLength(new Set(ids).size);
    steady.close();
  });

  it('is moved while another upstream is dialled, which was to go on with an answer', async () => {
    await simulator.behave({ script: [{ say: LONG }] });
    await simulator.fault({ fault: 'drop', times: 1, after_sent_frames: 14 });
    const steady = await client();
    await simulator.fault({ fault: 'delay_open', delay_ms: 3_000, times: 1 });
    ask(steady, 'Tell me');
    await eventually(() => answers(steady, 'cancelled').length === 1);
    hurry.abort();
    const drained = first.realtime.registry.drain(hurry.signal);
    await steady.move();
    await drained;
    await eventually(() => answers(steady, 'completed').length === 1);
    steady.close();
  });

  it('loses no sound and doubles none while its client speaks', async () => {
    const steady = await client();
    const sound = createHash('sha256');
    let at = 0;
    const speak = () => {
      const audio = Buffer.alloc(960, at);
      at += 1;
      sound.update(audio);
      steady.send({ type: 'input_audio_buffer.append', audio: audio.toString('base64') });
    };
    steady.send({
      type: 'session.update',
      session: { type: 'realtime', audio: { input: { turn_detection: null } } },
    });
    const speaking = setInterval(speak, 5);
    await eventually(() => at > 40);
    const drained = first.realtime.registry.drain(hurry.signal);
    await steady.move();
    await drained;
    await eventually(() => at > 120);
    clearInterval(speaking);
    steady.send({ type: 'input_audio_buffer.commit' });
    await eventually(() => steady.of('input_audio_buffer.committed').length === 1);
    const { upstream_session_id: upstream } = await (
      await second.request(`/v1/sessions/${steady.id}`)
    ).json();
    const records = (await simulator.sessions()) as { id: string; audio_sha256: string }[];
    expect(records.find(({ id }) => id === upstream)?.audio_sha256).toBe(sound.digest('hex'));
    steady.close();
  });

  it('awaits the result of a function that the model has called', async () => {
    await simulator.behave({ script: [{ call: { name: 'look', arguments: {} } }, { say: 'So.' }] });
    const steady = await client();
    const tool = { type: 'function', name: 'look', parameters: { type: 'object' } };
    steady.send({ type: 'session.update', session: { type: 'realtime', tools: [tool] } });
    ask(steady, 'Look it up');
    await eventually(() => answers(steady, 'completed').length === 1);
    const [called] = steady.of('response.function_call_arguments.done');
    const drained = first.realtime.registry.drain(hurry.signal);
    await steady.move();
    await drained;
    steady.send({
      type: 'conversation.item.create',
      item: { type: 'function_call_output', call_id: called!.call_id, output: '42' },
    });
    steady.send({ type: 'response.create' });
    await eventually(() => answers(steady, 'completed').length === 2);
    expect(steady.of('response.function_call_arguments.done')).toHaveLength(1);
    expect(steady.of('error')).toEqual([]);
    steady.close();
  });

  it('keeps what its client secret locks, and takes that secret for a way back', async () => {
    const minted = await first.request('/v1/realtime/client_secrets', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Ours.' },
        holdfast: { locked: ['instructions'] },
      }),
    });
    const { value: bearer } = (await minted.json()) as { value: string };
    const opened = await connectClient(first.wsUrl + PATH, { bearer });
    const { id } = await introduction(opened);
    const drained = first.realtime.registry.drain(hurry.signal);
    await opened.closed;
    await drained;
    const back = await connectClient(second.wsUrl + PATH, { bearer });
    expect((await introduction(back)).id).toBe(id);
    back.send({ type: 'session.update', session: { type: 'realtime', instructions: 'Mine.' } });
    expect(await back.event('error')).toMatchObject({ error: { param: 'session.instructions' } });
    expect(await back.event('session.created')).toMatchObject({
      session: { instructions: 'Ours.' },
    });
    back.socket.close(1000);
  });

  it.each([
    ['in the preview protocol', { headers: { 'openai-beta': 'realtime=v1' } }, PATH],
    ['where it transcribes', {}, '/v1/realtime?intent=transcription'],
  ])('goes on %s', async (_, options, path) => {
    const steady = await client(options, path);
    const drained = first.realtime.registry.drain(hurry.signal);
    await steady.move();
    await drained;
    steady.send({ type: 'input_audio_buffer.clear' });
    await eventually(() => steady.of('input_audio_buffer.cleared').length === 1);
    expect(steady.of('error')).toEqual([]);
    steady.close();
  });

  it('waits for a client whose line was down already', async () => {
    const steady = await client();
    const drain = async () => {
      await eventually(async () => {
        const { state } = await (await second.request(`/v1/sessions/${steady.id}`)).json();
        return state === 'disconnected';
      });
      await first.realtime.registry.drain(hurry.signal);
    };
    steady.drop();
    await drain();
    await steady.move(1006);
    ask(steady, 'Still there');
    await eventually(() => answers(steady, 'completed').length === 1);
    steady.close();
  });

  it('is taken by one of many that try, and by nobody else', async () => {
    const opened = await connectClient(first.wsUrl + PATH);
    const { id, resume_token } = await introduction(opened);
    const drained = first.realtime.registry.drain(hurry.signal);
    await opened.closed;
    await drained;
    const back = (caller = 'Developer:ann:default') =>
      connectClient(`${second.wsUrl}${PATH}&resume=${resume_token}`, { caller });
    const stranger = await back('Developer:bob:default');
    expect(await stranger.event('error')).toMatchObject({ error: { code: 'gone' } });
    const third = await open();
    const attempts = await Promise.allSettled([
      back(),
      connectClient(`${third.wsUrl}${PATH}&resume=${resume_token}`),
      back(),
    ]);
    const taken = attempts.filter(({ status }) => status === 'fulfilled');
    const lines = taken.map(attempt => (attempt as { value: typeof opened }).value);
    await eventually(() =>
      lines.some(line => line.events.some(e => e.type === 'holdfast.session')),
    );
    const session = await (await second.request(`/v1/sessions/${id}`)).json();
    expect(session.state).toBe('connected');
    const holders = [second, third].filter(host => host.realtime.registry.has(id));
    expect(holders).toHaveLength(1);
    for (const line of lines) line.socket.close(1000);
    await third.close();
  });

  it('follows its client to another process while its own one stays', async () => {
    const steady = await client();
    ask(steady, 'The first question');
    await eventually(() => answers(steady, 'completed').length === 1);
    steady.drop();
    await steady.move(1006);
    expect(steady.replica).toBe(second.leases.replica);
    expect(steady.resumptions).toMatchObject([{ input: 2, lost: 0, withheld: 0 }]);
    ask(steady, 'The second question');
    await eventually(() => answers(steady, 'completed').length === 2);
    await eventually(() => first.realtime.registry.size === 0);
    // Also from a line that seems to be there still, and to nobody without the handle.
    const wrong = await connectClient(
      `${first.wsUrl}${PATH}&resume=${steady.id}.${'A'.repeat(43)}`,
    );
    expect(await wrong.event('error')).toMatchObject({ error: { code: 'gone' } });
    expect(second.realtime.registry.has(steady.id)).toBe(true);
    steady.close();
  });

  it('can be tried again where the model cannot be had', async () => {
    const steady = await client();
    const drained = first.realtime.registry.drain(hurry.signal);
    await steady.closed;
    await drained;
    await simulator.fault({ fault: 'refuse', status: 500, times: 10 });
    await expect(steady.move()).rejects.toThrow();
    await simulator.clearFaults();
    await steady.move();
    ask(steady, 'Still there');
    await eventually(() => answers(steady, 'completed').length === 1);
    steady.close();
  });

  it('leaves nothing behind where its client does not come back, and nothing to read', async () => {
    const steady = await client();
    ask(steady, 'Whoever reads this');
    await eventually(() => answers(steady, 'completed').length === 1);
    await first.realtime.registry.drain(hurry.signal);
    const keys = await left(steady.id);
    expect(keys).toHaveLength(1);
    const blob = await blobs.get(keys[0]!);
    expect((await buffer(blob!.body)).toString('latin1')).not.toContain('Whoever');
    await second.request(`/v1/sessions/${steady.id}/end`, { method: 'POST' });
    await second.realtime.sweep.sweep();
    expect(await left(steady.id)).toEqual([]);
  });
});
