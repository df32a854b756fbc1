import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { sessionIdOf, useBench } from '../testing/bench.ts';
import { connectClient, eventually, type TestClient } from '../testing/client.ts';
import { openRealtimeHost } from '../testing/host.ts';

const bench = useBench();
const PATH = '/v1/realtime?model=gpt-realtime';
const REPLACED = 'holdfast.session.upstream_replaced';

afterEach(async () => {
  await bench.simulator.clearFaults();
  await bench.simulator.behave({ script: [] });
});

interface UpstreamRecord {
  readonly id: string;
  readonly audio_sha256: string;
  readonly received: { readonly events: Record<string, number> };
}

const open = () => connectClient(bench.host.wsUrl + PATH);
const ofType = (client: TestClient, type: string) =>
  client.events.filter(event => event.type === type);
const nth = (client: TestClient, type: string, count: number) =>
  eventually(() => ofType(client, type)[count - 1]);

const ask = (client: TestClient, text: string) => {
  client.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
  });
  client.send({ type: 'response.create' });
};

/** What the upstream that a session has now was sent. */
async function upstreamOf(id: string): Promise<UpstreamRecord> {
  return eventually(async () => {
    const { upstream_session_id: upstream } = await bench.session(id);
    const records = (await bench.simulator.sessions()) as unknown as UpstreamRecord[];
    return records.find(record => record.id === upstream);
  });
}

describe('a session whose upstream ends', () => {
  it('goes on with another, which knows the conversation and what was not answered', async () => {
    await bench.simulator.fault({ fault: 'drop', times: 1, after_received_frames: 4 });
    const client = await open();
    const id = await sessionIdOf(client);
    client.send({ type: 'session.update', session: { type: 'realtime', instructions: 'Mine.' } });
    ask(client, 'The first question');
    await client.event('response.done');
    ask(client, 'The second question');
    expect(await client.event(REPLACED)).toMatchObject({ reason: 'lost', left_out: 0 });
    const answer = await nth(client, 'response.done', 2);
    expect(answer.response).toMatchObject({ status: 'completed' });
    expect(JSON.stringify(answer)).toContain('The second question');
    client.send({ type: 'session.update', session: { type: 'realtime', tools: [] } });
    expect((await nth(client, 'session.updated', 2)).session).toMatchObject({
      instructions: 'Mine.',
    });
    // Of what it was told it has said nothing to the client.
    const items = ofType(client, 'conversation.item.added').map(
      ({ item }) => item as { id: string },
    );
    expect(items.map(item => item.id)).toHaveLength(new Set(items.map(item => item.id)).size);
    expect(ofType(client, 'session.created')).toHaveLength(1);
    client.socket.close(1000);
    await bench.settled(id, 'ended');
    expect(await bench.logged(id)).toContain('session.upstream_replaced');
  });

  it('reports a cut response as cancelled, and asks for it once more', async () => {
    await bench.simulator.behave({
      script: [{ say: 'A long answer, word after word. '.repeat(8) }],
    });
    await bench.simulator.fault({ fault: 'drop', times: 1, after_sent_frames: 14 });
    const client = await open();
    const id = await sessionIdOf(client);
    ask(client, 'Tell me');
    const cut = await nth(client, 'response.done', 1);
    expect(cut.response).toMatchObject({
      status: 'cancelled',
      status_details: { reason: 'upstream_lost' },
    });
    expect(await client.event(REPLACED)).toMatchObject({ continued: true });
    const done = await nth(client, 'response.done', 2);
    expect(done.response).toMatchObject({ status: 'completed' });
    expect(ofType(client, 'response.created')).toHaveLength(2);
    client.socket.close(1000);
    const session = await bench.settled(id, 'ended');
    expect(session).toMatchObject({ usage: { responses: 2 }, cost: { unreported: 1 } });
  });

  it('gives audio that was not committed to the next', async () => {
    await bench.simulator.fault({ fault: 'drop', times: 1, after_received_frames: 4 });
    const client = await open();
    const id = await sessionIdOf(client);
    const turn_detection = null;
    client.send({
      type: 'session.update',
      session: { type: 'realtime', audio: { input: { turn_detection } } },
    });
    await client.event('session.updated');
    const pieces = [1, 2, 3].map(value => Buffer.alloc(9_600, value));
    for (const piece of pieces) {
      client.send({ type: 'input_audio_buffer.append', audio: piece.toString('base64') });
    }
    await client.event(REPLACED);
    client.send({ type: 'input_audio_buffer.commit' });
    await client.event('input_audio_buffer.committed');
    const { audio_sha256 } = await upstreamOf(id);
    const sent = createHash('sha256').update(Buffer.concat(pieces)).digest('hex');
    expect(audio_sha256).toBe(sent);
    client.socket.close(1000);
  });

  it('is served ahead of the provider’s limit on its time', async () => {
    await bench.simulator.fault({ fault: 'lifetime', times: 1, lifetime_ms: 5_000 });
    const client = await open();
    await sessionIdOf(client);
    ask(client, 'Before');
    await client.event('response.done');
    expect(await client.event(REPLACED)).toMatchObject({ reason: 'limit', close_code: 1000 });
    ask(client, 'After');
    expect(JSON.stringify(await nth(client, 'response.done', 2))).toContain('After');
    client.socket.close(1000);
    expect((await client.closed).code).toBe(1000);
  });

  it.each([
    [1001, 'Your session hit the maximum duration of 60 minutes.', true],
    [1011, 'internal error', true],
    [1012, '', true],
    [1000, '', false],
    [1008, 'policy', false],
    [4000, 'beta_api_shape_disabled', false],
  ])('with close code %i (%s): replaced: %s', async (code, reason, isReplaced) => {
    await bench.simulator.fault({
      fault: 'close',
      times: 1,
      code,
      reason,
      after_received_frames: 1,
    });
    const client = await open();
    await sessionIdOf(client);
    client.send({ type: 'input_audio_buffer.clear' });
    if (isReplaced) {
      expect(await client.event(REPLACED)).toMatchObject({ close_code: code });
      client.socket.close(1000);
    }
    expect((await client.closed).code).toBe(isReplaced ? 1000 : code);
  });

  it('goes on where the provider announces that its time is over', async () => {
    await bench.simulator.fault({ fault: 'expire', times: 1, after_received_frames: 1 });
    const client = await open();
    await sessionIdOf(client);
    client.send({ type: 'input_audio_buffer.clear' });
    expect(await client.event(REPLACED)).toMatchObject({ reason: 'expired', close_code: 1001 });
    ask(client, 'Still there?');
    expect((await client.event('response.done')).response).toMatchObject({ status: 'completed' });
    client.socket.close(1000);
  });

  it('goes on where the upstream is there and says nothing any more', async () => {
    await bench.simulator.fault({ fault: 'mute_pongs', times: 1 });
    const relayLimits = { pingIntervalMs: 500, deadAfterMs: 2_000 };
    const upstreamUrl = bench.simulator.url;
    const host = await openRealtimeHost(bench.database, { upstreamUrl, relayLimits });
    try {
      const client = await connectClient(host.wsUrl + PATH);
      expect(await client.event(REPLACED)).toMatchObject({ reason: 'silent', close_code: 1006 });
      client.socket.close(1000);
      await client.closed;
    } finally {
      await host.close();
    }
  });

  it('ends with an error where there is no other upstream', async () => {
    await bench.simulator.fault({ fault: 'drop', times: 1, after_received_frames: 1 });
    const client = await open();
    const id = await sessionIdOf(client);
    await bench.simulator.fault({ fault: 'refuse', status: 400, message: 'No more of you.' });
    client.send({ type: 'input_audio_buffer.clear' });
    expect((await client.event('error')).error).toMatchObject({
      message: expect.stringContaining('No more of you.'),
    });
    expect((await client.closed).code).toBe(1011);
    const session = await bench.settled(id, 'expired');
    expect(session.close_reason).toBe('upstream_lost');
  });
});
