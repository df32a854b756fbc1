import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { exchange, handshake } from '../http/testing.ts';
import type { Database } from '../platform/database/index.ts';
import { openTestDatabase } from '../platform/database/testing.ts';
import { limitsOf, openTestAuth, principal, type TestAuth } from './testing/index.ts';

let database: Database;
let test: TestAuth;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());
afterEach(() => test?.close());

const headers = { host: 'localhost' };

async function keyOf({ auth }: TestAuth, role: 'Viewer' | 'Developer' | 'Admin') {
  const { key, id } = await auth.apiKeys.create(principal('Admin'), { name: role, role }, 'r');
  return { id, headers: { ...headers, authorization: `Bearer ${key}` } };
}

describe('the guard', () => {
  it('does not register a route without a row', async () => {
    test = await openTestAuth(database);
    const { app, http } = test;
    expect(() => app.get('/a', async () => 'x')).toThrow('names no row');
    expect(() => app.get('/b', { config: { policy: 'me.write' } }, async () => 'x')).toThrow(
      'me.write',
    );
    expect(() => app.get('/c', { config: { policy: 'toString' } }, async () => 'x')).toThrow(
      'toString',
    );
    const handle = async () => {};
    expect(() => http.upgrades.add({ path: '/d', config: { policy: 'none' }, handle })).toThrow(
      'WS /d',
    );
  });

  it('limits writes and upgrades of each principal, and names when to retry', async () => {
    test = await openTestAuth(database, { limits: limitsOf({ perMinute: 6, burst: 2 }) });
    const { app, http } = test;
    app.post('/write', { config: { policy: 'me.read' } }, async () => ({}));
    const one = await keyOf(test, 'Developer');
    const write = () => app.inject({ method: 'POST', url: '/write', headers: one.headers });
    expect([(await write()).statusCode, (await write()).statusCode]).toEqual([200, 200]);
    const refused = await write();
    expect(refused.statusCode).toBe(429);
    expect(refused.json().code).toBe('rate_limited');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.headers['x-ratelimit-limit']).toBe('6');
    expect(refused.headers['x-ratelimit-remaining']).toBe('0');
    expect((await app.inject({ url: '/v1/me', headers: one.headers })).statusCode).toBe(200);
    http.upgrades.add({
      path: '/ws',
      config: { policy: 'realtime.connect' },
      handle: async () => {},
    });
    const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
    const upgrade = await exchange(port, handshake('/ws', one.headers));
    expect(upgrade).toMatch(/^HTTP\/1\.1 429 [\s\S]*retry-after: \d/);
    const other = await keyOf(test, 'Developer');
    const otherWrite = await app.inject({ method: 'POST', url: '/write', headers: other.headers });
    expect(otherWrite.statusCode).toBe(200);
  });

  it('counts no request again that it looks at again', async () => {
    test = await openTestAuth(database, { limits: limitsOf({ perMinute: 1, burst: 1 }) });
    test.app.post('/long', { config: { policy: 'runs.write' } }, async request => {
      for (let look = 0; look < 3; look += 1) await request.reauthenticate();
      return request.principal;
    });
    const { headers } = await keyOf(test, 'Developer');
    const answer = await test.app.inject({ method: 'POST', url: '/long', headers });
    expect(answer.statusCode).toBe(200);
  });

  it('limits reads of each principal, and failures by address', async () => {
    test = await openTestAuth(database, { limits: limitsOf({ perMinute: 1, burst: 1 }) });
    const { app } = test;
    const one = await keyOf(test, 'Viewer');
    const other = await keyOf(test, 'Viewer');
    const read = async (headers: Record<string, string>) =>
      (await app.inject({ url: '/v1/me', headers })).statusCode;
    const wrong = { ...headers, authorization: `Bearer hf_${'x'.repeat(43)}` };
    const failed: number[] = [];
    for (let count = 0; count < 12; count += 1) failed.push(await read(wrong));
    expect(failed).toEqual([...Array(10).fill(401), 429, 429]);
    const reads: number[] = [];
    for (let count = 0; count < 102; count += 1) reads.push(await read(one.headers));
    expect(reads).toEqual([...Array(100).fill(200), 429, 429]);
    expect(await read(other.headers)).toBe(200);
  });

  it('limits and records wrong tokens of runs by address, and limits what a run asks', async () => {
    const options = { limits: limitsOf({ perMinute: 1, burst: 1 }) };
    const runs = new Map(['one', 'other'].map(run => [`rt_${run.padEnd(43, 'x')}`, run]));
    test = await openTestAuth(database, options, { runOfToken: async token => runs.get(token) });
    test.app.get('/model', { config: { policy: 'models.call' } }, async () => ({}));
    const ask = async (token: string) => {
      const sent = { ...headers, authorization: `Bearer ${token}` };
      return (await test.app.inject({ url: '/model', headers: sent })).statusCode;
    };
    const times = async (count: number, token: string) => {
      const statuses: number[] = [];
      for (let n = 0; n < count; n += 1) statuses.push(await ask(token));
      return statuses;
    };
    expect(await times(12, `rt_${'w'.repeat(43)}`)).toEqual([...Array(10).fill(401), 429, 429]);
    const [one, other] = runs.keys();
    expect(await times(102, one!)).toEqual([...Array(100).fill(200), 429, 429]);
    expect(await ask(other!)).toBe(200);
    await test.auth.audit.flush();
    const { data } = await test.auth.audit.list('default', { limit: 100 });
    expect(data.filter(({ action }) => action === 'models.call')).toHaveLength(10);
  });

  it.each(['public.logout', 'public.webhook'])(
    'limits what providers say by address: %s',
    async policy => {
      test = await openTestAuth(database);
      test.app.post('/said', { config: { policy } }, async () => ({}));
      const statuses: number[] = [];
      for (let count = 0; count < 301; count += 1) {
        const sent = { method: 'POST', url: '/said', headers } as const;
        statuses.push((await test.app.inject(sent)).statusCode);
      }
      expect(statuses).toEqual([...Array(300).fill(200), 429]);
    },
  );

  it('limits sign-in by address', async () => {
    test = await openTestAuth(database);
    const statuses = new Set<number>();
    for (let count = 0; count < 31; count += 1) {
      statuses.add((await test.app.inject({ url: '/auth/local?token=x', headers })).statusCode);
    }
    expect(statuses).toEqual(new Set([401, 429]));
  });

  it('answers 503, not 401, when the database is away', async () => {
    const gone = await openTestDatabase();
    test = await openTestAuth(gone);
    const { headers: withKey } = await keyOf(test, 'Viewer');
    await gone.close();
    const answer = await test.app.inject({ url: '/v1/me', headers: withKey });
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'unavailable']);
    expect(answer.headers['retry-after']).toBeDefined();
  });

  it('refuses a key that names another project', async () => {
    test = await openTestAuth(database);
    const { headers: withKey } = await keyOf(test, 'Admin');
    const get = (project: string) =>
      test.app.inject({ url: '/v1/me', headers: { ...withKey, 'x-holdfast-project': project } });
    expect([(await get('default')).statusCode, (await get('sales')).statusCode]).toEqual([
      200, 403,
    ]);
  });

  it('leaves no private answer in a cache', async () => {
    test = await openTestAuth(database);
    const { headers: withKey } = await keyOf(test, 'Admin');
    for (const url of ['/v1/me', '/v1/audit', '/v1/api-keys']) {
      const answer = await test.app.inject({ url, headers: withKey });
      expect([url, answer.statusCode, answer.headers['cache-control']]).toEqual([
        url,
        200,
        'no-store',
      ]);
    }
  });

  it('records denials and acts of Admins, and never a secret', async () => {
    test = await openTestAuth(database);
    const { app, auth } = test;
    const viewer = await keyOf(test, 'Viewer');
    const admin = await keyOf(test, 'Admin');
    await app.inject({
      url: '/v1/audit',
      headers: { ...viewer.headers, 'x-request-id': 'denied-1' },
    });
    await app.inject({
      url: '/v1/me',
      headers: { ...headers, authorization: 'Bearer ek_nonsense', 'x-request-id': 'denied-2' },
    });
    await app.inject({
      url: '/v1/me',
      headers: { host: 'evil.example', 'x-request-id': 'denied-3' },
    });
    const created = await app.inject({
      method: 'POST',
      url: '/v1/api-keys',
      headers: admin.headers,
      payload: { name: 'new' },
    });
    await app.inject({
      method: 'DELETE',
      url: `/v1/api-keys/${created.json().id}`,
      headers: admin.headers,
    });
    await auth.audit.flush();
    const { data } = (
      await app.inject({ url: '/v1/audit?limit=200', headers: admin.headers })
    ).json();
    const find = (match: object) => expect(data).toContainEqual(expect.objectContaining(match));
    find({ principal: viewer.id, action: 'audit.read', outcome: 'denied', request_id: 'denied-1' });
    find({ principal: 'anonymous', action: 'me.read', outcome: 'denied', request_id: 'denied-2' });
    find({ principal: 'anonymous', outcome: 'denied', request_id: 'denied-3' });
    find({ principal: admin.id, action: 'keys.create', target: created.json().id });
    find({ principal: admin.id, action: 'keys.revoke', target: created.json().id });
    expect(JSON.stringify(data) + JSON.stringify(test.lines())).not.toMatch(
      /hf_[\w-]{20}|ek_nonsense/,
    );
  });
});

describe('routes', () => {
  it('manage keys', async () => {
    test = await openTestAuth(database);
    const { app } = test;
    const admin = await keyOf(test, 'Admin');
    const post = (payload: object) =>
      app.inject({ method: 'POST', url: '/v1/api-keys', headers: admin.headers, payload });
    for (const wrong of [
      {},
      { name: ' ' },
      { name: 'x', role: 'Owner' },
      { name: 'x', expires_in_days: 0 },
      { name: 'x', scope: ['read'] },
      { name: 'x', Scopes: ['read'] },
      { name: 'x', expires_in: 1 },
    ]) {
      expect((await post(wrong)).statusCode).toBe(400);
    }
    const created = await post({ name: 'ci', role: 'Viewer', expires_in_days: 30 });
    expect([created.statusCode, created.headers['cache-control']]).toEqual([201, 'no-store']);
    expect(created.json()).toMatchObject({ name: 'ci', role: 'Viewer', created_by: admin.id });
    const { id, key } = created.json();
    const withKey = { ...headers, authorization: `Bearer ${key}` };
    expect((await app.inject({ url: '/v1/me', headers: withKey })).json().id).toBe(id);
    const listed = await app.inject({ url: '/v1/api-keys', headers: admin.headers });
    expect(listed.json().data[0]).toMatchObject({ id, prefix: key.slice(0, 9) });
    const revoke = () =>
      app.inject({ method: 'DELETE', url: `/v1/api-keys/${id}`, headers: admin.headers });
    expect([(await revoke()).statusCode, (await revoke()).statusCode]).toEqual([204, 204]);
    expect((await app.inject({ url: '/v1/me', headers: withKey })).statusCode).toBe(401);
    const absent = await app.inject({
      method: 'DELETE',
      url: '/v1/api-keys/key_none',
      headers: admin.headers,
    });
    expect(absent.statusCode).toBe(404);
  });

  it('make no key for a sign-in that is over when the body comes', async () => {
    test = await openTestAuth(database);
    const { app, auth } = test;
    const person = { id: 'local', name: 'Local user', roles: { default: 'Admin' } } as const;
    const { token, pageSecret } = await auth.sessions.start(person, undefined);
    const post = (payload: Readable) =>
      app.inject({
        method: 'POST',
        url: '/v1/api-keys',
        headers: {
          ...headers,
          'content-type': 'application/json',
          cookie: `${auth.cookies.sessionName}=${token}`,
          'sec-fetch-site': 'same-origin',
          'x-holdfast-page': pageSecret,
        },
        payload,
      });
    const body = JSON.stringify({ name: 'late' });
    expect((await post(Readable.from([body]))).statusCode).toBe(201);
    async function* late() {
      await auth.sessions.end(token);
      yield body;
    }
    expect((await post(Readable.from(late()))).statusCode).toBe(403);
  });

  it('tell the console what it needs, and are described', async () => {
    test = await openTestAuth(database);
    const info = await test.app.inject({ url: '/v1/console', headers });
    expect(info.json()).toEqual({
      mode: 'local',
      notice: null,
      simulated: false,
      revision: 'r1',
      replica: 'rep_1',
      recording: { bits_per_second: 64_000, max_bytes: 1_000_000 },
      webrtc: true,
      api_key_max_days: null,
    });
    const doc = (await test.app.inject({ url: '/openapi.json', headers })).json();
    expect(Object.keys(doc.paths)).toEqual(
      expect.arrayContaining([
        '/v1/me',
        '/v1/console',
        '/v1/audit',
        '/v1/api-keys',
        '/v1/api-keys/{id}',
        '/auth/logout',
      ]),
    );
  });

  it('sweep what has expired when the component starts', async () => {
    test = await openTestAuth(database);
    const { auth } = test;
    const minted = await auth.clientSecrets.mint(principal('Admin'), {
      ttlS: -1,
      maxSessions: 1,
      model: 'm',
      session: {},
      locked: [],
    });
    await auth.component.start?.();
    await auth.component.stop?.();
    expect(await auth.clientSecrets.sweep()).toBe(0);
    expect(await auth.clientSecrets.verify(minted.value)).toBeUndefined();
  });
});
