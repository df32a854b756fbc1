import { expect, it } from 'vitest';
import type { Json } from './preview/session.ts';
import { useBench } from './testing/bench.ts';
import { connectClient } from './testing/client.ts';

const bench = useBench({
  defaults: { instructions: 'House.', transcription_model: 'whisper-1', tools: [] },
});
const TRANSCRIBED = { audio: { input: { transcription: { model: 'whisper-1' } } } };

async function post(path: string, body: Json): Promise<Json> {
  const response = await bench.host.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Json;
}

it('the operator’s file fills what it names and nobody else has, and nothing else', async () => {
  const mint = async (body: Json) =>
    (await post('/v1/realtime/client_secrets', body)).session as Json;
  expect(await mint({})).toMatchObject({ instructions: 'House.', ...TRANSCRIBED });
  const own = await mint({ session: { tools: [] } });
  expect(own).toMatchObject(TRANSCRIBED);
  expect(own).not.toHaveProperty('instructions');
  expect(await post('/sessions', {})).toMatchObject({ instructions: 'House.', tools: [] });
  const client = await connectClient(`${bench.host.wsUrl}/v1/realtime?model=gpt-realtime`);
  const created = await client.event('session.created');
  expect(created.session).not.toMatchObject({ instructions: 'House.' });
  client.socket.close(1000);
});
