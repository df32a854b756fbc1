import { describe, expect, it } from 'vitest';
import { sessionIdOf, useBench } from './testing/bench.ts';
import {
  type ConnectOptions,
  connectClient,
  type Refusal,
  type TestClient,
} from './testing/client.ts';

/** What a client speaks, and what it is told of what is not offered. */
const bench = useBench();
const key = 'openai-insecure-api-key.sk-of-the-test';
const beta = 'openai-beta.realtime-v1';

async function speaks(client: TestClient): Promise<'preview' | 'ga'> {
  const created = await client.event('session.created');
  return 'modalities' in (created.session as object) ? 'preview' : 'ga';
}

describe('a client on the GA path', () => {
  it.each([
    ['the header', { headers: { 'openai-beta': 'realtime=v1' } }, 'preview', ''],
    ['the header among others', { headers: { 'openai-beta': 'a=b, realtime=v1' } }, 'preview', ''],
    ['another beta', { headers: { 'openai-beta': 'assistants=v2' } }, 'ga', ''],
    ["the beta's subprotocol", { protocols: ['realtime', key, beta] }, 'preview', 'realtime'],
    ["only the beta's subprotocol", { protocols: [key, beta] }, 'preview', beta],
    ['the subprotocol of GA', { protocols: ['realtime', key] }, 'ga', 'realtime'],
    ['neither', {}, 'ga', ''],
  ] satisfies [string, ConnectOptions, string, string][])(
    'with %s speaks what it says',
    async (_, options, protocol, echoed) => {
      for (const base of ['/v1/realtime', '/openai/v1/realtime']) {
        const url = `${bench.host.wsUrl}${base}?model=gpt-realtime`;
        const client = await connectClient(url, options);
        expect(client.socket.protocol).toBe(echoed);
        expect(await speaks(client)).toBe(protocol);
        const id = await sessionIdOf(client);
        expect(await bench.session(id)).toMatchObject({ protocol });
        client.socket.close(1000);
        await bench.settled(id, 'ended');
      }
    },
  );
});

describe("a preview client of the seeds' /ws", () => {
  it('keeps its instructions and tools, and hears events by its names', async () => {
    const client = await connectClient(`${bench.host.wsUrl}/ws`);
    await client.event('session.created');
    const tools = [{ type: 'function', name: 'mine', parameters: {} }];
    client.send({
      type: 'session.update',
      event_id: 'e1',
      session: { modalities: ['text', 'audio'], instructions: 'Mine.', tools, temperature: 1 },
    });
    const warned = await client.event('holdfast.warning');
    expect(warned.warning).toMatchObject({ params: ['session.temperature'], event_id: 'e1' });
    client.send({ type: 'response.create' });
    await client.event('response.audio.delta');
    await client.event('response.done');
    const updated = client.events.findLast(event => event.type === 'session.updated');
    expect(updated?.session).toMatchObject({ instructions: 'Mine.', tools: [{ name: 'mine' }] });
    expect(client.events.map(event => event.type)).not.toContain('error');
    client.socket.close(1000);
    await client.closed;
  });
});

describe('what is not offered', () => {
  const reason = (path: string) =>
    connectClient(bench.host.wsUrl + path).then(
      () => undefined,
      (error: Refusal) => error,
    );

  it.each([
    ['/v1/realtime/nothing', 'POST /v1/realtime/client_secrets'],
    ['/openai/v1/nothing', '/openai/v1/realtime'],
    ['/v1/live', '/v1/realtime'],
    ['/v1/live/sessions', '/v1/realtime'],
    ['/v1/live/sessions/ses_1/attach', '/v1/realtime'],
    ['/openai/v1/live', '/v1/realtime'],
  ])("%s answers so in OpenAI's shape, and names what is", async (path, offered) => {
    const posted = await bench.host.request(path, { method: 'POST' });
    expect(posted.status).toBe(404);
    const { error } = (await posted.json()) as { error: { message: string; code: string } };
    expect(error.code).toBe('not_found');
    expect(error.message).toContain(offered);
    if (path.includes('live')) expect(error.message).toContain('GPT-Live is not offered');
    const upgraded = await reason(path);
    expect(upgraded?.status).toBe(404);
    expect(upgraded?.body).toMatchObject({ error: { code: 'not_found' } });
  });

  it('a stock client is answered in its protocol wherever it asks', async () => {
    const ask = async (headers: Record<string, string>) => {
      const response = await bench.host.request('/v1/chat/completions', {
        method: 'POST',
        headers,
      });
      return (await response.json()) as { error: unknown };
    };
    expect(await ask({ 'user-agent': 'OpenAI/JS 7.57.0' })).toMatchObject({
      error: { type: 'invalid_request_error', code: 'not_found' },
    });
    expect(await ask({ 'user-agent': 'curl/8' })).toMatchObject({ error: 'No such route.' });
  });

  it('paths of ours keep the shape of ours', async () => {
    const response = await bench.host.request('/v1/sessions/a/b/c');
    expect(response.headers.get('content-type')).toContain('application/problem+json');
  });
});
