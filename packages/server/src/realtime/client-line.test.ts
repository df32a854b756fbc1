import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import { isForOnce } from './client-line.ts';
import { useBench } from './testing/bench.ts';
import { connectClient, eventually, Refusal, type TestClient } from './testing/client.ts';
import { introduction, SteadyClient } from './testing/steady-client.ts';

const WINDOW_MS = 2_500;
const bench = useBench({ reconnectWindowMs: WINDOW_MS, dialTimeoutMs: 2_000 });
const PATH = '/v1/realtime?model=gpt-realtime';

afterEach(async () => {
  await bench.simulator.clearFaults();
  await bench.simulator.behave({ script: [] });
});

const open = (query = '', options = {}) => connectClient(bench.host.wsUrl + PATH + query, options);
const back = (handle: string, received?: number) =>
  open(`&resume=${handle}${received === undefined ? '' : `&received=${received}`}`);
/** What a client is told that is refused for good. */
async function refusalOf(attempt: Promise<TestClient>): Promise<unknown> {
  const client = await attempt;
  expect(await client.closed).toMatchObject({ code: 1008 });
  return (client.events[0]!.error as { code: string }).code;
}

/** The line drops: no close frame, no farewell. */
const drop = (client: TestClient) => client.socket.terminate();

function ask(client: TestClient, text: string): void {
  client.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
  });
  client.send({ type: 'response.create' });
}

const ofType = (client: TestClient, type: string) =>
  client.events.filter(event => event.type === type);
const LONG = 'A long answer, word after word. '.repeat(5);
const DELTA = 'response.output_audio.delta';

async function upstreams(): Promise<number> {
  return (await bench.simulator.sessions()).length;
}

/** A client in the middle of an answer. */
async function listening() {
  await bench.simulator.behave({ script: [{ say: LONG }] });
  const client = await open();
  const first = await introduction(client);
  ask(client, 'Tell me');
  await eventually(() => ofType(client, DELTA).length > 3);
  return { client, ...first };
}

const afterIntroduction = (client: TestClient) =>
  client.events.slice(client.events.findIndex(({ type }) => type === 'holdfast.session') + 1);

describe('a client whose line drops', () => {
  it('goes on with its handle: the same upstream, each message once and in order', async () => {
    const { client, id, resume_token } = await listening();
    const before = await upstreams();
    drop(client);
    await bench.settled(id, 'disconnected');
    await new Promise(resolve => setTimeout(resolve, 300));
    const again = await back(resume_token, client.events.length);
    const { resumed } = await introduction(again);
    expect(resumed).toEqual({ input: 2, output: client.events.length, lost: 0, withheld: 0 });
    expect(again.events[0]).toMatchObject({ type: 'session.created' });
    await again.event('response.done');
    expect(await upstreams()).toBe(before);
    const all = [...client.events, ...afterIntroduction(again)];
    const ids = all.map(event => event.event_id);
    expect(ids).toHaveLength(new Set(ids).size);
    const [done] = ofType(again, 'response.done');
    expect(done).toMatchObject({ response: { status: 'completed' } });
    const deltas = all.filter(({ type }) => type === DELTA);
    const heardMs = deltas.reduce((sum, { delta }) => sum + String(delta).length, 0);
    expect(heardMs).toBeGreaterThan(0);
    // The whole answer, as one that nobody interrupted gets it.
    const words = all.filter(({ type }) => type === 'response.output_audio_transcript.delta');
    expect(
      words
        .map(({ delta }) => delta)
        .join('')
        .trim(),
    ).toBe(LONG.trim());
    expect(await bench.settled(id, 'connected')).toMatchObject({ id });
    again.socket.close(1000);
    await bench.settled(id, 'ended');
    const logged = await bench.logged(id);
    expect(logged.filter(type => type === 'session.connected')).toHaveLength(2);
    expect(logged).toContain('session.disconnected');
  });

  it('gets nothing twice also where it cannot say what it has had', async () => {
    const { client, resume_token } = await listening();
    // Its pongs tell for a stock client.
    drop(client);
    await new Promise(resolve => setTimeout(resolve, 200));
    const again = await back(resume_token);
    const { resumed } = await introduction(again);
    await again.event('response.done');
    const once = [...client.events, ...afterIntroduction(again)].filter(({ type }) =>
      String(type).endsWith('.delta'),
    );
    const ids = once.map(event => event.event_id);
    expect(ids).toHaveLength(new Set(ids).size);
    expect(resumed).toMatchObject({ lost: 0 });
    expect(resumed!.output).toBeLessThanOrEqual(client.events.length);
  });

  it('may use each handle for one connection, and the newest connection counts', async () => {
    const client = await open();
    const { resume_token } = await introduction(client);
    const second = await back(resume_token, 2);
    // Its line was alive; it hears that it goes on elsewhere, and does not fight for it.
    expect(await client.closed).toMatchObject({ code: 4001 });
    const { resume_token: next } = await introduction(second);
    ask(second, 'Anything');
    await second.event('response.done');
    expect(await refusalOf(back(resume_token))).toBe('gone');
    const third = await back(next, 2 + afterIntroduction(second).length);
    ask(third, 'More');
    await third.event('response.done');
    third.socket.close(1000);
  });

  it('may come back with the handle before, where it never had the next one', async () => {
    const client = await open();
    const { resume_token } = await introduction(client);
    const deaf = await open(`&resume=${resume_token}&received=2`, { autoPong: false });
    drop(deaf);
    const again = await back(resume_token, 2);
    ask(again, 'Anything');
    await again.event('response.done');
    again.socket.close(1000);
  });

  it('is awaited for its window, and then the session expires', async () => {
    const client = await open();
    const { id, resume_token } = await introduction(client);
    drop(client);
    expect(await bench.settled(id, 'expired')).toMatchObject({ close_reason: 'client_lost' });
    expect(await refusalOf(back(resume_token))).toBe('gone');
  });

  it('is not awaited where it said goodbye', async () => {
    const client = await open();
    const { id } = await introduction(client);
    client.socket.close(1000);
    expect(await bench.settled(id, 'ended')).toMatchObject({ close_reason: 'client_closed' });
  });

  it('finds nothing to go on with by a wrong handle, in the place of another caller', async () => {
    const client = await open();
    const { id, resume_token } = await introduction(client);
    const refused = [
      open(`&resume=${id}.${'A'.repeat(43)}`),
      open('&resume=x'),
      open(`&resume=${resume_token}`, { caller: 'Developer:bob:default' }),
      open(`&resume=${resume_token}`, { caller: 'Developer:ann:other' }),
    ];
    for (const attempt of refused) expect(await refusalOf(attempt)).toBe('gone');
    expect(await refusalOf(back(resume_token, 9999))).toBe('invalid_request');
    ask(client, 'Still there');
    await client.event('response.done');
    client.socket.close(1000);
  });

  it('goes on through the loss of both its line and its upstream', async () => {
    await bench.simulator.fault({ fault: 'drop', times: 1, after_sent_frames: 30 });
    const { client, id, resume_token } = await listening();
    drop(client);
    await eventually(async () => (await bench.logged(id)).includes('session.upstream_replaced'));
    const again = await back(resume_token, client.events.length);
    await again.event('response.done');
    ask(again, 'And then');
    await eventually(() => ofType(again, 'response.done').length > 1);
    again.socket.close(1000);
  });

  it('comes back with its one-session secret, but not in the place of itself', async () => {
    const minted = await bench.host.request('/v1/realtime/client_secrets', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ session: { type: 'realtime', model: 'gpt-realtime' } }),
    });
    const { value } = (await minted.json()) as { value: string };
    const client = await open('', { bearer: value });
    const { id } = await introduction(client);
    await expect(open('', { bearer: value })).rejects.toBeInstanceOf(Refusal);
    drop(client);
    await bench.settled(id, 'disconnected');
    const again = await open('', { bearer: value });
    expect((await introduction(again)).id).toBe(id);
    ask(again, 'Anything');
    await again.event('response.done');
    // A talk lasts longer than a secret.
    await sql`update client_secrets set expires_at = now() - interval '1 minute'`.execute(
      bench.database.db,
    );
    drop(again);
    await bench.settled(id, 'disconnected');
    const late = await open('', { bearer: value });
    const { resume_token } = await introduction(late);
    drop(late);
    await bench.settled(id, 'disconnected');
    const latest = await open(`&resume=${resume_token}`, { bearer: value });
    expect((await introduction(latest)).id).toBe(id);
    latest.socket.close(1000);
    await bench.settled(id, 'ended');
    await expect(open('', { bearer: value })).rejects.toMatchObject({ status: 401 });
  });

  it('opens a session of its own with a secret for several, whoever else is away', async () => {
    const minted = await bench.host.request('/v1/realtime/client_secrets', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        session: { type: 'realtime', model: 'gpt-realtime' },
        holdfast: { max_sessions: 2 },
      }),
    });
    const { value: bearer } = (await minted.json()) as { value: string };
    const one = await open('', { bearer });
    const { id, resume_token } = await introduction(one);
    drop(one);
    await bench.settled(id, 'disconnected');
    const other = await open('', { bearer });
    expect((await introduction(other)).id).not.toBe(id);
    const back = await open(`&resume=${resume_token}`, { bearer });
    expect((await introduction(back)).id).toBe(id);
    for (const client of [other, back]) client.socket.close(1000);
  });

  it('is revoked with the right of its newest connection', async () => {
    const client = await open();
    const { id } = await introduction(client);
    drop(client);
    await bench.settled(id, 'disconnected');
    const ended = await bench.host.request(`/v1/sessions/${id}/end`, { method: 'POST' });
    expect(ended.status).toBeLessThan(300);
    await bench.settled(id, 'ended');
  });
});

describe('a client that counts', () => {
  it('loses and doubles nothing of either side through thirty cuts of its line', async () => {
    await bench.simulator.behave({ script: [{ say: LONG }] });
    const client = await SteadyClient.open(() => bench.host.wsUrl + PATH);
    const sound = createHash('sha256');
    const append = (i: number) => {
      const audio = Buffer.alloc(960, i);
      sound.update(audio);
      client.send({ type: 'input_audio_buffer.append', audio: audio.toString('base64') });
    };
    client.send({
      type: 'session.update',
      session: { type: 'realtime', audio: { input: { turn_detection: null } } },
    });
    client.send({ type: 'response.create' });
    for (let cuts = 0; cuts < 30; cuts += 1) {
      for (let i = 0; i < 10; i += 1) append(cuts * 10 + i);
      await new Promise(resolve => setTimeout(resolve, (cuts * 37) % 90));
      await client.cut();
    }
    client.send({ type: 'input_audio_buffer.commit' });
    await eventually(() => client.of('input_audio_buffer.committed').length === 1);
    await eventually(() => client.of('response.done').length === 1);
    for (const { lost, withheld } of client.resumptions) expect(lost + withheld).toBe(0);
    const ids = client.received.map(event => event.event_id);
    expect(ids).toHaveLength(new Set(ids).size);
    const words = client.of('response.output_audio_transcript.delta').map(({ delta }) => delta);
    expect(words.join('').trim()).toBe(LONG.trim());
    await eventually(() => client.forgotten === 303);
    const { upstream_session_id: upstream } = await bench.session(client.id);
    const records = (await bench.simulator.sessions()) as { id: string; audio_sha256: string }[];
    const heard = records.find(({ id }) => id === upstream);
    expect(heard?.audio_sha256).toBe(sound.digest('hex'));
    client.close();
  });

  it('goes on where its line dropped inside of a long message', async () => {
    const client = await SteadyClient.open(() => bench.host.wsUrl + PATH);
    const text = 'x'.repeat(900 * 1024);
    const long = {
      type: 'conversation.item.create',
      item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
    };
    const { id } = client;
    client.send(long);
    await client.cut();
    client.send({ type: 'response.create' });
    await eventually(() => client.of('response.done').length === 1);
    expect(client.of('error')).toEqual([]);
    expect(client.of('conversation.item.added').filter(({ item }) => isOfUser(item))).toHaveLength(
      1,
    );
    client.close();
    await bench.settled(id, 'ended');
  });
});

const isOfUser = (item: unknown) => (item as { role?: string }).role === 'user';

describe('what a client must not get twice', () => {
  const call = { type: 'function_call', name: 'f', call_id: 'c', arguments: '{}' };
  it.each([
    [{ type: DELTA, delta: 'AAAA' }, true],
    [{ type: 'response.output_text.delta', delta: 'word' }, true],
    [{ type: 'response.function_call_arguments.done', arguments: '{}' }, true],
    [{ type: 'response.output_item.done', item: call }, true],
    [{ type: 'response.done', response: { output: [call] } }, true],
    [
      { type: 'response.done', response: { output: [{ type: 'message', text: 'function_call' }] } },
      false,
    ],
    [{ type: 'response.output_audio.done' }, false],
    [{ type: 'session.updated', session: {} }, false],
  ])('%j: %s', (event, isOnce) => {
    expect(isForOnce(JSON.stringify(event))).toBe(isOnce);
  });
});
