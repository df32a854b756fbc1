import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from './client.ts';
import { HASTY, sendJson, startServer, type TestServer } from './testing/server.ts';

let server: TestServer;
let client: ReturnType<typeof createClient>;
let health = 200;

beforeAll(async () => {
  server = await startServer((asked, response) => {
    if (asked.url === '/health') {
      return health === 200 || health === 503
        ? sendJson(response, { status: 'unhealthy', checks: {} }, health)
        : void response.writeHead(health).end('nothing');
    }
    if (asked.url === '/v1/realtime/calls') {
      response.writeHead(201, {
        'content-type': 'application/sdp',
        location: '/v1/realtime/calls/rtc_1',
        'holdfast-session': 'ses_1',
      });
      return void response.end('v=0 answer');
    }
    sendJson(response, { data: [{ id: 'x' }], next_cursor: null });
  });
  client = createClient({ baseUrl: server.url, retry: HASTY });
});
afterAll(() => server.close());

async function asked(act: () => Promise<unknown>): Promise<string> {
  await act();
  const last = server.asked.at(-1);
  return `${last?.method} ${last?.url}`;
}

describe('createClient', () => {
  it.each<[string, () => Promise<unknown>]>([
    ['GET /v1/me', () => client.me()],
    ['GET /v1/console', () => client.console()],
    ['GET /v1/models', () => client.models()],
    [
      'GET /v1/sessions?active=true&limit=5',
      () => client.sessions.list({ active: true, limit: 5 }),
    ],
    ['GET /v1/sessions/ses_1', () => client.sessions.get('ses_1')],
    ['GET /v1/sessions/a%2Fb', () => client.sessions.get('a/b')],
    ['GET /v1/sessions/ses_1/events?after=7', () => client.sessions.events('ses_1', { after: 7 })],
    ['POST /v1/sessions/ses_1/end', () => client.sessions.end('ses_1')],
    ['DELETE /v1/sessions/ses_1', () => client.sessions.delete('ses_1')],
    ['POST /v1/realtime/client_secrets', () => client.clientSecrets.create({})],
    ['POST /v1/realtime/calls/rtc_1/hangup', () => client.calls.hangup('rtc_1')],
    ['GET /v1/api-keys', () => client.apiKeys.list()],
    ['POST /v1/api-keys', () => client.apiKeys.create({ name: 'n' })],
    ['DELETE /v1/api-keys/key_1', () => client.apiKeys.revoke('key_1')],
    ['GET /v1/audit?cursor=c', () => client.audit({ cursor: 'c' })],
    [
      'GET /v1/sessions/ses_1/recordings?audio_type=user_speech',
      () => client.recordings.list('ses_1', { audio_type: 'user_speech' }),
    ],
    ['GET /v1/recordings/rec_1', () => client.recordings.get('rec_1')],
    ['DELETE /v1/recordings/rec_1', () => client.recordings.delete('rec_1')],
    ['POST /auth/logout', () => client.signOut()],
  ])('asks %s', async (expected, act) => {
    expect(await asked(act)).toBe(expected);
  });

  it('gives the address that plays a recording', () => {
    expect(client.recordings.audioUrl('rec_1')).toBe(`${server.url}/v1/recordings/rec_1/audio`);
  });

  it('offers a call in both parts and reads its address', async () => {
    const answer = await client.calls.create({ sdp: 'v=0 offer', session: { model: 'm' } });
    expect(answer).toEqual({ sdp: 'v=0 answer', callId: 'rtc_1', sessionId: 'ses_1' });
    const body = server.asked.at(-1)?.body.toString() ?? '';
    expect(body).toMatch(/name="sdp"[\s\S]*application\/sdp[\s\S]*v=0 offer/);
    expect(body).toMatch(/name="session"[\s\S]*application\/json[\s\S]*\{"model":"m"\}/);
  });

  it('returns an unhealthy answer, and throws on a malformed one', async () => {
    for (const status of [200, 503]) {
      health = status;
      expect(await client.health()).toMatchObject({ status: 'unhealthy' });
    }
    health = 502;
    await expect(client.health()).rejects.toMatchObject({ code: 'unavailable', status: 502 });
  });
});
