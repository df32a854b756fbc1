import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { exchange, handshake } from '../../http/testing.ts';
import type { Database } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import { openTestAuth, pageOf, principal, type TestAuth } from '../testing/index.ts';
import { ADMIN_LINK_TTL_MS, ADMIN_LINKS_MAX, createAdminLinks } from './admin-link.ts';
import { isLoopback } from './direct.ts';

let database: Database;
let test: TestAuth;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());
afterEach(() => test.close());

const own = { host: 'localhost:8080' };
const COOKIE = 'holdfast_session';

async function start(options: Parameters<typeof openTestAuth>[1] = {}) {
  test = await openTestAuth(database, options);
  test.http.upgrades.add({
    path: '/socket',
    config: { policy: 'realtime.connect' },
    async handle(upgrade) {
      upgrade.socket.end(`HTTP/1.1 101 X\r\nx-role: ${upgrade.principal.role}\r\n\r\n`);
    },
  });
  return test;
}

/** What the pages of the Admin send. */
async function signIn({ app, auth }: TestAuth) {
  const answer = await app.inject({ url: auth.mintAdminLink(), headers: own });
  expect(answer.statusCode).toBe(303);
  return pageOf(answer, COOKIE);
}

const me = (headers: Record<string, string>) => ({
  url: '/v1/me',
  headers: { ...own, ...headers },
});

describe('local mode refuses', () => {
  it.each([
    ['forwarded', 'for=10.0.0.1'],
    ['x-forwarded-for', '127.0.0.1'],
    ['x-forwarded-proto', 'https'],
    ['x-forwarded-host', 'localhost'],
    ['x-forwarded-anything', ''],
    ['x-real-ip', '127.0.0.1'],
    ['via', '1.1 proxy'],
  ])('requests that came through a proxy (%s)', async (name, value) => {
    const { app } = await start();
    for (const url of ['/v1/me', '/auth/local?token=x', '/openapi.json', '/none']) {
      const answer = await app.inject({ url, headers: { ...own, [name]: value } });
      expect([url, answer.statusCode]).toEqual([url, 403]);
      expect(answer.json().detail).toContain('HOLDFAST_OIDC_ISSUER');
    }
  });

  it.each(['10.0.0.1', '192.168.1.4', '8.8.8.8', '::2', 'fe80::1', '::ffff:10.0.0.1', ''])(
    'peers that are not on this machine (%s)',
    async remoteAddress => {
      const { app } = await start();
      const answer = await app.inject({ ...me({}), remoteAddress });
      expect(isLoopback(remoteAddress)).toBe(false);
      // An empty address is filled in by the injection itself.
      if (remoteAddress !== '') expect(answer.statusCode).toBe(403);
    },
  );

  it.each([
    'evil.example',
    'localhost.evil.example',
    'evil.example:8080',
    '127.0.0.1.nip.io',
    'localhost@evil.example',
    'evil.example#localhost',
    '127.0.0.2',
    '0.0.0.0',
    '2130706433',
    '[::1].evil.example',
    'localhost:8080:1',
    'localhost:',
    '[::2]',
    ' ',
  ])('a foreign Host, as after DNS rebinding (%s)', async host => {
    const { app } = await start();
    expect((await app.inject({ url: '/v1/me', headers: { host } })).statusCode).toBe(403);
    expect((await app.inject({ url: '/none', headers: { host } })).statusCode).toBe(403);
  });

  it.each([
    [{ origin: 'http://evil.example' }],
    [{ origin: 'null' }],
    [{ origin: 'http://localhost:3000' }],
    [{ origin: 'https://localhost:8080' }],
    [{ origin: 'http://localhost:8080.evil.example' }],
    [{ origin: 'http://localhost:8080/' }, 'allowed'],
    [{ origin: 'http://localhost:8080, http://evil.example' }],
    [{ origin: 'file://' }],
    [{ origin: '' }],
    [{ 'sec-fetch-site': 'cross-site' }],
    [{ 'sec-fetch-site': 'same-site' }],
    [{ origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' }, 'allowed'],
    [{ 'sec-fetch-site': 'none' }, 'allowed'],
    [{}, 'allowed'],
  ] as [Record<string, string>, string?][])(
    'writes and sockets of other pages: %j',
    async (headers, outcome) => {
      const { app, http } = await start();
      const post = await app.inject({
        method: 'POST',
        url: '/auth/logout',
        headers: { ...own, ...headers },
      });
      expect(post.statusCode).toBe(outcome === 'allowed' ? 200 : 403);
      const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
      const answer = await exchange(port, handshake('/socket', { ...own, ...headers }));
      expect(answer.split(' ')[1]).toBe(outcome === 'allowed' ? '101' : '403');
    },
  );

  it('Admin acts without the console session, whatever key is shown', async () => {
    const { app } = await start();
    for (const headers of [
      {},
      { authorization: 'Bearer sk-anything' },
      { cookie: `${COOKIE}=${'x'.repeat(43)}` },
      { cookie: COOKIE },
    ]) {
      const answer = await app.inject({ url: '/v1/api-keys', headers: { ...own, ...headers } });
      expect(answer.statusCode).toBe(403);
    }
  });

  it('Admin acts with the cookie alone, which every port of this host is shown', async () => {
    const { app, http, auth } = await start();
    const { cookie, ...page } = await signIn({ app, auth } as TestAuth);
    const other = await signIn({ app, auth } as TestAuth);
    const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
    const origin = 'http://localhost:8080';
    for (const secret of ['', 'x'.repeat(43), cookie.split('=')[1]!, other['x-holdfast-page']]) {
      for (const site of [{}, { origin }, { 'sec-fetch-site': 'same-origin' }]) {
        const headers = { ...own, ...site, cookie, 'x-holdfast-page': secret };
        expect((await app.inject({ url: '/v1/api-keys', headers })).statusCode).toBe(403);
        const post = { method: 'POST', url: '/v1/api-keys', payload: { name: 'x' } } as const;
        expect((await app.inject({ ...post, headers })).statusCode).toBe(403);
      }
      const protocols = { 'sec-websocket-protocol': `realtime, holdfast-page.${secret}` };
      const stolen = handshake('/socket', { ...own, origin, cookie, ...protocols });
      expect(await exchange(port, stolen)).toContain('x-role: Developer');
    }
    const protocols = {
      'sec-websocket-protocol': `realtime, holdfast-page.${page['x-holdfast-page']}`,
    };
    const socket = handshake('/socket', { ...own, origin, cookie, ...protocols });
    expect(await exchange(port, socket)).toContain('x-role: Admin');
  });

  it('Admin writes that no page of ours is behind, with cookie and secret', async () => {
    const { app, auth } = await start();
    const page = await signIn({ app, auth } as TestAuth);
    const post = (headers: Record<string, string>) =>
      app.inject({
        method: 'POST',
        url: '/v1/api-keys',
        headers: { ...own, ...page, ...headers },
        payload: { name: 'x' },
      });
    for (const headers of [{}, { 'sec-fetch-site': 'none' }] as Record<string, string>[]) {
      expect((await post(headers)).statusCode).toBe(403);
    }
    expect((await post({ origin: 'http://localhost:8080' })).statusCode).toBe(201);
  });

  it('one-time links that are wrong, used, or asked for by HEAD', async () => {
    const { app, auth } = await start();
    const link = auth.mintAdminLink();
    const get = (url: string, method: 'GET' | 'HEAD' = 'GET') =>
      app.inject({ method, url, headers: own });
    expect((await get(`${link}x`)).statusCode).toBe(401);
    expect((await get('/auth/local?token=')).statusCode).toBe(401);
    expect((await get('/auth/local')).statusCode).toBe(400);
    expect((await get(link, 'HEAD')).statusCode).toBeGreaterThanOrEqual(404);
    expect((await get(link)).statusCode).toBe(303);
    const again = await get(link);
    expect([again.statusCode, again.headers['set-cookie']]).toEqual([401, undefined]);
  });

  it('keys and secrets that only look like ours', async () => {
    const { app } = await start();
    for (const key of [
      'hf_',
      `hf_${'a'.repeat(43)}`,
      'ek_',
      `ek_${'b'.repeat(43)}`,
      'ek_short',
      `hf_${"'".repeat(43)}`,
    ]) {
      for (const headers of [{ authorization: `Bearer ${key}` }, { 'api-key': key }]) {
        const answer = await app.inject(me(headers as unknown as Record<string, string>));
        expect([key, answer.statusCode, answer.json().detail]).toEqual([
          key,
          401,
          'Missing, invalid or expired credentials.',
        ]);
      }
    }
  });
});

describe('local mode', () => {
  it('takes every direct request for the local user, whatever key it carries', async () => {
    const { app } = await start();
    for (const headers of [
      {},
      { authorization: 'Bearer sk-anything' },
      { 'api-key': 'dummy' },
      { authorization: 'Basic x' },
    ]) {
      const answer = await app.inject(me(headers as Record<string, string>));
      expect(answer.json()).toEqual({
        id: 'local',
        name: 'Local user',
        kind: 'local',
        project_id: 'default',
        role: 'Developer',
        mode: 'local',
        sign_in_ends_at: null,
      });
    }
  });

  it.each(['localhost', 'LOCALHOST:1', '127.0.0.1:65535', '[::1]:8080', '[::1]', 'box.local:8080'])(
    'answers to the host %s',
    async host => {
      const { app } = await start({ host: 'Box.local' });
      expect((await app.inject({ url: '/v1/me', headers: { host } })).statusCode).toBe(200);
    },
  );

  it('lets listed origins write, but never as an Admin by cookie', async () => {
    const { app, http, auth } = await start({ corsOrigins: ['http://localhost:3000'] });
    const page = await signIn({ app, auth } as TestAuth);
    const headers = { ...own, origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' };
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/api-keys',
      headers: { ...headers, ...page },
      payload: { name: 'x' },
    });
    expect(answer.statusCode).toBe(403);
    expect(
      (await app.inject({ url: '/v1/audit', headers: { ...headers, ...page } })).statusCode,
    ).toBe(403);
    const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
    const socket = await exchange(port, handshake('/socket', { ...headers, ...page }));
    expect(socket).toMatch(/101[\s\S]*x-role: Developer/);
  });

  it('makes the holder of the one-time link an Admin until sign-out', async () => {
    const { app, auth } = await start();
    const page = await signIn({ app, auth } as TestAuth);
    expect((await app.inject(me(page))).json().role).toBe('Admin');
    const logout = (headers: Record<string, string>) =>
      app.inject({ method: 'POST', url: '/auth/logout', headers: { ...own, ...headers } });
    expect((await logout(page)).statusCode).toBe(403);
    expect((await app.inject(me(page))).json().role).toBe('Admin');
    const out = await logout({ ...page, origin: 'http://localhost:8080' });
    expect(out.json()).toEqual({ redirect: '/' });
    expect(String(out.headers['set-cookie'])).toContain('Max-Age=0');
    expect((await app.inject(me(page))).json().role).toBe('Developer');
  });

  it('gives a new cookie at each sign-in and forgets the one before', async () => {
    const { app, auth } = await start();
    const first = await signIn({ app, auth } as TestAuth);
    const answer = await app.inject({
      url: auth.mintAdminLink(),
      headers: { ...own, ...first },
    });
    const line = String(answer.headers['set-cookie']);
    expect(line).toMatch(/HttpOnly/);
    expect(line).toMatch(/SameSite=Lax/);
    expect(line).not.toMatch(/Secure/);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect((await app.inject(me(first))).json().role).toBe('Developer');
    expect((await app.inject(me(pageOf(answer, COOKIE)))).json().role).toBe('Admin');
  });

  it('takes a token of the launcher once', async () => {
    const token = 'launcher-token-of-at-least-32-characters';
    const { app } = await start({ adminLinkToken: token });
    const get = () => app.inject({ url: `/auth/local?token=${token}`, headers: own });
    expect([(await get()).statusCode, (await get()).statusCode]).toEqual([303, 401]);
  });

  it('honours keys and client secrets of ours, narrowed as they are', async () => {
    const { app, auth } = await start();
    const { key } = await auth.apiKeys.create(
      principal('Admin'),
      { name: 'k', role: 'Viewer' },
      'r',
    );
    const viewer = (await app.inject(me({ authorization: `Bearer ${key}` }))).json();
    expect(viewer).toMatchObject({ kind: 'api_key', role: 'Viewer' });
    const { value } = await auth.clientSecrets.mint(principal('Developer'), {
      ttlS: 60,
      maxSessions: 1,
      model: 'm',
      session: {},
      locked: [],
    });
    expect((await app.inject(me({ authorization: `Bearer ${value}` }))).statusCode).toBe(403);
    expect((await app.inject(me({ 'api-key': value }))).statusCode).toBe(403);
  });

  it('does not sign in at an identity provider', async () => {
    const { app } = await start();
    expect((await app.inject({ url: '/auth/login', headers: own })).statusCode).toBe(404);
    expect((await app.inject({ url: '/auth/callback', headers: own })).statusCode).toBe(404);
  });

  it('uses __Host- cookies over TLS', async () => {
    const { app, auth } = await start({ tls: true });
    const answer = await app.inject({ url: auth.mintAdminLink(), headers: own });
    expect(String(answer.headers['set-cookie'])).toMatch(
      /^__Host-holdfast_session=.*; Path=\/;.* Secure/,
    );
  });
});

describe('one-time links', () => {
  it('end with time, and the oldest with their number', async () => {
    test = await openTestAuth(database);
    let nowMs = 0;
    const links = createAdminLinks({ nowMs: () => nowMs, monotonicMs: () => nowMs }, undefined);
    const old = links.mint();
    nowMs = ADMIN_LINK_TTL_MS;
    expect(links.redeem(old)).toBe(false);
    const first = links.mint();
    const second = links.mint();
    for (let count = 1; count < ADMIN_LINKS_MAX; count += 1) links.mint();
    expect([links.redeem(first), links.redeem(second)]).toEqual([false, true]);
  });
});
