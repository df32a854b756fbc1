import { describe, expect, it } from 'vitest';
import { sessionIdOf, useBench } from './testing/bench.ts';
import { connectClient, type TestClient } from './testing/client.ts';

/** Sessions that are no conversation: transcriptions and translations. */
const bench = useBench(
  {},
  { SIMULATOR_SPEED: '0', SIMULATOR_SCRIPT: '[{"heard":"Good morning"}]' },
);
const json = { 'content-type': 'application/json' };

async function post(path: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await bench.host.request(path, {
    method: 'POST',
    headers: json,
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as Record<string, unknown>;
  return { ...answer, status: response.status };
}

const at = (path: string, options = {}) => connectClient(bench.host.wsUrl + path, options);
/** What a client that is refused in words is told. */
async function refusedAt(path: string, options = {}) {
  const client = await at(path, options);
  expect((await client.closed).code).toBe(1008);
  return client.events.at(-1);
}

const TRANSCRIPTION = {
  type: 'transcription',
  audio: { input: { transcription: { model: 'gpt-4o-transcribe' }, turn_detection: null } },
};
/** Half a second of a tone. */
const SOUND = Buffer.from(
  Int16Array.from({ length: 12_000 }, (_, n) => 8_000 * Math.sin(n / 10)).buffer,
).toString('base64');

async function dictate(client: TestClient): Promise<unknown> {
  client.send({ type: 'input_audio_buffer.append', audio: SOUND });
  client.send({ type: 'input_audio_buffer.commit' });
  const done = await client.event('conversation.item.input_audio_transcription.completed');
  return done.transcript;
}

async function closed(client: TestClient, id: string) {
  client.socket.close(1000);
  return await bench.settled(id, 'ended');
}

describe('a transcription', () => {
  it.each(['/v1/realtime', '/openai/v1/realtime'])('at %s by its intent', async base => {
    const client = await at(`${base}?intent=transcription`);
    expect(await client.event('session.created')).toMatchObject({
      session: { type: 'transcription', object: 'realtime.transcription_session' },
    });
    const id = await sessionIdOf(client);
    client.send({ type: 'session.update', session: TRANSCRIPTION });
    expect(await client.event('session.updated')).toMatchObject({ session: TRANSCRIPTION });
    expect(await dictate(client)).toBe('Good morning');
    const session = await closed(client, id);
    expect(session).toMatchObject({ type: 'transcription', transport: 'websocket' });
    expect(session.usage.transcription_input_tokens).toBeGreaterThan(0);
    expect(session.usage.responses).toBe(0);
    expect(await bench.logged(id)).toContain('transcript.user');
  });

  it.each(['?intent=transcription', ''])('with a client secret (%j)', async query => {
    const minted = await post('/v1/realtime/client_secrets', { session: TRANSCRIPTION });
    expect(minted).toMatchObject({
      status: 200,
      session: { ...TRANSCRIPTION, object: 'realtime.transcription_session' },
    });
    // Nothing of a conversation is added to it.
    expect(minted.session).not.toHaveProperty('instructions');
    expect(minted.session).not.toHaveProperty('model');
    const client = await at(`/v1/realtime${query}`, { bearer: minted.value });
    const id = await sessionIdOf(client);
    expect(await client.event('session.created')).toMatchObject({ session: TRANSCRIPTION });
    expect(await dictate(client)).toBe('Good morning');
    await closed(client, id);
  });

  it('in the words of a beta client', async () => {
    const minted = await post('/v1/realtime/transcription_sessions', {
      input_audio_format: 'pcm16',
      input_audio_transcription: { model: 'gpt-4o-transcribe' },
      turn_detection: { type: 'server_vad' },
      modalities: ['text'],
    });
    expect(minted).toMatchObject({
      status: 200,
      object: 'realtime.transcription_session',
      input_audio_format: 'pcm16',
      input_audio_transcription: { model: 'gpt-4o-transcribe' },
      client_secret: { expires_at: expect.any(Number), value: expect.stringMatching(/^ek_/) },
    });
    const { value } = minted.client_secret as { value: string };
    const client = await at('/v1/realtime?intent=transcription', {
      bearer: value,
      headers: { 'openai-beta': 'realtime=v1' },
    });
    expect(await client.event('transcription_session.created')).toMatchObject({
      session: { input_audio_format: 'pcm16' },
    });
    const id = await sessionIdOf(client);
    client.send({
      type: 'transcription_session.update',
      event_id: 'e1',
      session: { turn_detection: null, temperature: 2 },
    });
    expect(await client.event('holdfast.warning')).toMatchObject({
      warning: { params: ['session.temperature'] },
    });
    expect(await dictate(client)).toBe('Good morning');
    expect(
      client.events.findLast(one => one.type === 'transcription_session.updated'),
    ).toMatchObject({
      session: { turn_detection: null, input_audio_transcription: { model: 'gpt-4o-transcribe' } },
    });
    await closed(client, id);
  });
});

describe('a translation', () => {
  it.each(['/v1/realtime', '/openai/v1/realtime'])('at %s/translations', async base => {
    const client = await at(`${base}/translations?model=gpt-realtime`);
    expect(await client.event('session.created')).toMatchObject({
      session: { type: 'translation', model: 'gpt-realtime' },
    });
    const id = await sessionIdOf(client);
    const audio = { input: { transcription: { model: 'whisper-1' } }, output: { language: 'fr' } };
    client.send({ type: 'session.update', session: { audio } });
    expect(await client.event('session.updated')).toMatchObject({ session: { audio } });
    client.send({ type: 'session.input_audio_buffer.append', audio: SOUND });
    const heard = await client.event('session.output_audio.delta');
    expect(SOUND).toContain(String(heard.delta).slice(0, 64));
    await client.event('session.input_transcript.delta');
    expect((await client.event('session.output_transcript.delta')).delta).toContain('fr');
    client.send({ type: 'session.close' });
    await client.event('session.closed');
    expect(await closed(client, id)).toMatchObject({ type: 'translation', model: 'gpt-realtime' });
  });

  it('with a client secret, which fixes its language', async () => {
    const session = { model: 'gpt-realtime', audio: { output: { language: 'ja' } } };
    const minted = await post('/v1/realtime/translations/client_secrets', { session });
    expect(minted).toMatchObject({
      status: 200,
      session: { type: 'translation', ...session, expires_at: minted.expires_at },
    });
    const client = await at('/v1/realtime/translations?model=gpt-realtime', {
      bearer: minted.value,
    });
    const id = await sessionIdOf(client);
    expect(await client.event('session.created')).toMatchObject({ session });
    await closed(client, id);
  });

  it('is not offered over WebRTC, and says where it is', async () => {
    const { value } = await post('/v1/realtime/translations/client_secrets', {
      session: { model: 'gpt-realtime' },
    });
    const response = await bench.host.request('/v1/realtime/calls', {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', authorization: `Bearer ${value}` },
      body: 'v=0\r\nm=audio 9 x\r\n',
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('/v1/realtime/translations');
  });
});

describe('a client secret is for one type of session', () => {
  it.each([
    ['/v1/realtime/client_secrets', TRANSCRIPTION, '/v1/realtime?model=gpt-realtime'],
    ['/v1/realtime/client_secrets', TRANSCRIPTION, '/ws'],
    ['/v1/realtime/client_secrets', TRANSCRIPTION, '/v1/realtime/translations?model=gpt-realtime'],
    ['/v1/realtime/client_secrets', { type: 'realtime' }, '/v1/realtime?intent=transcription'],
    ['/v1/realtime/client_secrets', { type: 'realtime' }, '/v1/realtime/translations'],
    ['/v1/realtime/translations/client_secrets', { model: 'gpt-realtime' }, '/v1/realtime'],
    [
      '/v1/realtime/translations/client_secrets',
      { model: 'gpt-realtime' },
      '/v1/realtime?intent=transcription',
    ],
  ])('%s with %j does not open %s', async (mint, session, path) => {
    const { value } = await post(mint, { session });
    const refused = await refusedAt(path, { bearer: value });
    expect(JSON.stringify(refused)).toContain('This client secret is for a');
  });
});

describe('locks', () => {
  async function locked(mint: string, session: object, locks: string[], path: string) {
    const holdfast = { locked: locks };
    const { value } = await post(mint, { session, holdfast });
    const client = await at(path, { bearer: value });
    await client.event('session.created');
    return client;
  }
  const transcribing = (locks: string[]) =>
    locked(
      '/v1/realtime/client_secrets',
      TRANSCRIPTION,
      locks,
      '/v1/realtime?intent=transcription',
    );

  const other = { audio: { input: { transcription: { model: 'whisper-1' } } } };
  const noType = { audio: { input: { noise_reduction: { type: 'near_field' } } } };
  it.each([
    [['model'], { type: 'transcription', ...other }, 'session.audio.input.transcription'],
    [['model'], other, 'session.audio.input.transcription'],
    [['all'], { type: 'transcription', ...noType }, 'session.audio'],
    [
      ['turn_detection'],
      { type: 'transcription', audio: { input: { turn_detection: { type: 'server_vad' } } } },
      'session.audio.input.turn_detection',
    ],
    [['model'], { type: 'realtime', instructions: 'Obey.' }, 'session.type'],
    [['model'], { type: 'realtime' }, 'session.type'],
    [['model'], { type: 'transcription', instructions: 'Obey.' }, 'session.instructions'],
  ])('%j of a transcription refuse %j', async (locks, session, param) => {
    const client = await transcribing(locks);
    client.send({ type: 'session.update', event_id: 'e1', session });
    expect(await client.event('error')).toMatchObject({ error: { param, event_id: 'e1' } });
    expect(await dictate(client)).toBe('Good morning');
    client.socket.close(1000);
  });

  it.each([
    { type: 'response.create', response: { instructions: 'Speak.' } },
    { type: 'response.create' },
    { type: 'conversation.item.create', item: { type: 'message', role: 'system', content: [] } },
    { type: 'transcription_session.update', session: {} },
  ])('of a transcription refuse %j', async event => {
    const client = await transcribing(['model']);
    client.send(event);
    expect(await client.event('error')).toMatchObject({ error: { param: 'type' } });
    client.socket.close(1000);
  });

  it('of a translation hold its language', async () => {
    const client = await locked(
      '/v1/realtime/translations/client_secrets',
      { model: 'gpt-realtime', audio: { output: { language: 'ja' } } },
      ['all'],
      '/v1/realtime/translations',
    );
    client.send({ type: 'session.update', session: { audio: { output: { language: 'fr' } } } });
    expect(await client.event('error')).toMatchObject({ error: { param: 'session.audio' } });
    client.send({ type: 'response.create' });
    client.send({ type: 'session.input_audio_buffer.append', audio: SOUND });
    await client.event('session.output_audio.delta');
    expect(client.events.filter(event => event.type === 'error')).toHaveLength(2);
    client.socket.close(1000);
  });

  it.each([
    ['/v1/realtime/client_secrets', TRANSCRIPTION, 'voice'],
    ['/v1/realtime/client_secrets', TRANSCRIPTION, 'instructions'],
    ['/v1/realtime/translations/client_secrets', { model: 'gpt-realtime' }, 'turn_detection'],
  ])('that would hold nothing are refused: %s, %j, %s', async (path, session, part) => {
    const answer = await post(path, { session, holdfast: { locked: [part] } });
    expect(answer.status).toBe(400);
    expect((answer.error as { message: string }).message).toContain('Allowed: model');
  });

  it('refuse to fix a field that the type does not have', async () => {
    const session = { ...TRANSCRIPTION, instructions: 'Obey.' };
    const answer = await post('/v1/realtime/client_secrets', {
      session,
      holdfast: { locked: ['model'] },
    });
    expect(answer).toMatchObject({ status: 400, error: { param: 'session.instructions' } });
  });
});

describe('requests that do not fit', () => {
  it.each([
    ['/v1/realtime?intent=transcription&model=gpt-realtime', 'intent'],
    ['/v1/realtime?intent=translation', 'intent'],
    ['/v1/realtime?intent=', 'intent'],
    ['/v1/realtime?model=gpt-realtime&call_id=rtc_1', 'call_id'],
    ['/v1/realtime/translations', 'model'],
    ['/v1/realtime/translations?model=nothing%20of%20the%20kind', 'model'],
  ])('%s', async (path, param) => {
    expect(await refusedAt(path)).toMatchObject({ type: 'error', error: { param } });
  });
});

describe('a beta client mints at /v1/realtime/sessions', () => {
  it.each(['/v1/realtime', '/openai/v1/realtime'])('%s', async base => {
    const minted = await post(`${base}/sessions`, {
      model: 'gpt-4o-realtime-preview',
      voice: 'echo',
      instructions: 'Be brief.',
      temperature: 0.6,
      client_secret: { expires_after: { anchor: 'created_at', seconds: 60 } },
    });
    expect(minted).toMatchObject({
      status: 200,
      object: 'realtime.session',
      voice: 'echo',
      instructions: 'Be brief.',
      modalities: ['text', 'audio'],
      holdfast: { warning: expect.stringContaining('temperature') },
    });
    const { value, expires_at } = minted.client_secret as { value: string; expires_at: number };
    expect(expires_at - Date.now() / 1000).toBeLessThan(61);
    const client = await at('/v1/realtime?model=gpt-4o-realtime-preview', {
      protocols: ['realtime', `openai-insecure-api-key.${value}`, 'openai-beta.realtime-v1'],
      bearer: value,
    });
    expect(await client.event('session.created')).toMatchObject({
      session: { voice: 'echo', instructions: 'Be brief.' },
    });
    client.socket.close(1000);
  });
});
