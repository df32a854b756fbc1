import { describe, expect, it } from 'vitest';
import { KnownEvents } from './known-event.ts';
import { openingConfig } from './opening-config.ts';
import type { Json } from './preview/session.ts';
import { useBench } from './testing/bench.ts';
import { connectClient } from './testing/client.ts';

const bench = useBench();

async function post(path: string, body: Json): Promise<Json> {
  const response = await bench.host.request(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.ok, await response.clone().text()).toBe(true);
  return (await response.json()) as Json;
}

const mint = async (body: Json) =>
  (await post('/v1/realtime/client_secrets', body)).session as Json;

describe('what the request says, and what the client secret has fixed', () => {
  const session = {
    type: 'realtime',
    model: 'm',
    instructions: 'Fixed.',
    audio: { input: { noise_reduction: null }, output: { voice: 'alloy' } },
  };
  const open = (asked: Json, locked: string[] = []) =>
    openingConfig(
      { grant: { secretId: 'sec_1', model: 'm', session, locked, isOver: false } },
      asked,
      new KnownEvents(),
    );

  it('join field by field; the request wins where nothing is locked', () => {
    const asked = {
      type: 'realtime',
      model: 'other',
      tools: [],
      audio: { output: { voice: 'echo', speed: 1.2 } },
    };
    expect(open(asked)).toEqual({
      ...session,
      tools: [],
      audio: { input: { noise_reduction: null }, output: { voice: 'echo', speed: 1.2 } },
    });
    expect(open({})).toBe(session);
    expect(openingConfig({}, asked, new KnownEvents())).toBe(asked);
  });

  it.each([
    [['instructions'], { instructions: 'Other.' }, 'forbidden', 'session.instructions'],
    [
      ['voice'],
      { audio: { output: { voice: 'echo' } } },
      'forbidden',
      'session.audio.output.voice',
    ],
    [['voice'], { audio: null }, 'forbidden', 'session.audio'],
    [['tools'], { prompt: { id: 'p' } }, 'forbidden', 'session.prompt'],
    [['all'], { max_output_tokens: 5 }, 'forbidden', 'session.max_output_tokens'],
    [['voice'], { Audio: {} }, 'invalid_request', 'session.Audio'],
    [[], { type: 'transcription' }, 'invalid_request', 'type'],
  ])('do not join where %j is locked: %j', (locked, asked, code, field) => {
    expect(() => open(asked as Json, locked)).toThrow(expect.objectContaining({ code, field }));
  });

  it('may agree on what is locked', () => {
    const asked = { instructions: 'Fixed.', audio: { output: { voice: 'alloy', speed: 1.2 } } };
    expect(open(asked, ['instructions', 'voice'])).toMatchObject(asked);
  });
});

describe('what nobody has asked for', () => {
  it('stays out of a client secret, unless it asks for the defaults', async () => {
    const bare = await mint({ session: { instructions: 'Mine.' } });
    expect(Object.keys(bare).sort()).toEqual(
      ['expires_at', 'id', 'instructions', 'model', 'object', 'type'].sort(),
    );
    const filled = await mint({ holdfast: { defaults: true } });
    expect(filled.tools).toHaveLength(3);
    const own = await mint({ session: { tools: [] }, holdfast: { defaults: true } });
    expect(own).toMatchObject({ tools: [], audio: { output: { voice: 'alloy' } } });
    expect(own).not.toHaveProperty('instructions');
  });

  it('is in the sessions of the seeds’ routes', async () => {
    expect((await post('/sessions', {})).tools).toHaveLength(3);
    const client = await connectClient(`${bench.host.wsUrl}/ws`);
    const { session } = await client.event('session.created');
    expect((session as Json).tools).toHaveLength(3);
    client.socket.close(1000);
  });
});
