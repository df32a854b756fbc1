import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exchange, handshake } from '../../http/testing.ts';
import { cookieOf, pageOf, type TestAuth } from '../testing/index.ts';
import { type OidcWorld, openOidcWorld } from './testing.ts';

const SESSION = 'holdfast_session';
const SIGN_IN = 'holdfast_signin';

let world: OidcWorld;
let test: TestAuth;
beforeAll(async () => {
  world = await openOidcWorld();
});
afterAll(() => world.close());
beforeEach(() => {
  world.claims = { roles: ['Developer'], name: 'Jo Doe' };
});
afterEach(() => test.close());

async function start(...options: Parameters<OidcWorld['start']>): Promise<TestAuth> {
  test = await world.start(...options);
  return test;
}

/** Goes to the issuer and back, as a browser would; `change` meddles with the callback's URL. */
async function signIn(
  change: { url?: (url: URL) => void; cookie?: (value: string) => string; returnTo?: string } = {},
) {
  const query =
    change.returnTo === undefined ? '' : `?return_to=${encodeURIComponent(change.returnTo)}`;
  const begun = await test.app.inject({
    url: `/auth/login${query}`,
    headers: { host: 'localhost:8080' },
  });
  expect(begun.statusCode).toBe(302);
  const authorize = await fetch(String(begun.headers.location), { redirect: 'manual' });
  const callback = new URL(authorize.headers.get('location')!);
  change.url?.(callback);
  const pending = cookieOf(begun, SIGN_IN) ?? '';
  const answer = await test.app.inject({
    url: callback.pathname + callback.search,
    headers: {
      host: 'localhost:8080',
      'sec-fetch-site': 'cross-site',
      cookie: `${SIGN_IN}=${change.cookie ? change.cookie(pending) : pending}`,
    },
  });
  const session = cookieOf(answer, SESSION) === undefined ? undefined : pageOf(answer, SESSION);
  return { begun, callback, pending, answer, session };
}

const withSession = (
  session: ReturnType<typeof pageOf> | undefined,
  headers: Record<string, string> = {},
) => ({ host: 'localhost:8080', ...session, ...headers });

describe('sign-in is refused', () => {
  it.each([
    ['with another state', { url: (url: URL) => url.searchParams.set('state', 'other') }],
    ['without a state', { url: (url: URL) => url.searchParams.delete('state') }],
    ['with another code', { url: (url: URL) => url.searchParams.set('code', 'other') }],
    ['without the cookie, as when another browser began it', { cookie: () => '' }],
    ['with a broken cookie', { cookie: () => 'e30' }],
    [
      'when the person declined',
      {
        url: (url: URL) => {
          url.searchParams.delete('code');
          url.searchParams.set('error', 'access_denied');
        },
      },
    ],
    [
      'when the verifier does not match',
      {
        cookie: (value: string) => {
          const parsed = JSON.parse(Buffer.from(value, 'base64url').toString());
          return Buffer.from(JSON.stringify({ ...parsed, verifier: 'v'.repeat(43) })).toString(
            'base64url',
          );
        },
      },
    ],
    [
      'when the nonce does not match',
      {
        cookie: (value: string) => {
          const parsed = JSON.parse(Buffer.from(value, 'base64url').toString());
          return Buffer.from(JSON.stringify({ ...parsed, nonce: 'other' })).toString('base64url');
        },
      },
    ],
  ])('%s', async (_name, change) => {
    await start();
    const { answer, session } = await signIn(change);
    expect([answer.statusCode, session]).toEqual([401, undefined]);
  });

  it('when the ID token is for another client', async () => {
    await start();
    world.claims = { ...world.claims, aud: 'other-client' };
    expect((await signIn()).answer.statusCode).toBe(401);
  });

  it('to people without a role', async () => {
    await start();
    world.claims = { name: 'Jo' };
    const { answer, session } = await signIn();
    expect([answer.statusCode, session]).toEqual([403, undefined]);
  });

  it('a second time with the same code', async () => {
    await start();
    const { callback, pending } = await signIn();
    const again = await test.app.inject({
      url: callback.pathname + callback.search,
      headers: { host: 'localhost:8080', cookie: `${SIGN_IN}=${pending}` },
    });
    expect(again.statusCode).toBe(401);
  });

  it('where Host could lead the code elsewhere', async () => {
    await start();
    const answer = await test.app.inject({ url: '/auth/login', headers: { host: 'evil.example' } });
    expect(answer.statusCode).toBe(503);
    expect(answer.json().detail).toContain('HOLDFAST_PUBLIC_URL');
  });

  it('by one-time link', async () => {
    const { auth } = await start();
    const answer = await test.app.inject({
      url: auth.mintAdminLink(),
      headers: { host: 'localhost' },
    });
    expect(answer.statusCode).toBe(404);
  });
});

describe('console sessions', () => {
  it('start with PKCE, state and nonce, and know the person', async () => {
    await start();
    world.claims = { roles: ['Admin', 'sales:Viewer'], name: 'Jo Doe' };
    const { begun, answer, session } = await signIn({ returnTo: '/sessions?x=1' });
    const url = new URL(String(begun.headers.location));
    expect(url.searchParams.get('code_challenge_method')).toBe('S256');
    for (const name of ['code_challenge', 'state', 'nonce']) {
      expect(url.searchParams.get(name)!.length).toBeGreaterThan(20);
    }
    expect(url.searchParams.get('redirect_uri')).toBe('http://localhost:8080/auth/callback');
    expect([answer.statusCode, answer.headers.location]).toEqual([
      303,
      `/sessions?x=1#page=${session!['x-holdfast-page']}`,
    ]);
    expect(cookieOf(answer, SIGN_IN)).toBeUndefined();
    const get = (headers: Record<string, string> = {}) =>
      test.app.inject({ url: '/v1/me', headers: withSession(session, headers) });
    expect((await get()).json()).toMatchObject({
      id: 'user:johndoe',
      name: 'Jo Doe',
      kind: 'user',
      role: 'Admin',
    });
    expect((await get({ 'x-holdfast-project': 'sales' })).json()).toMatchObject({ role: 'Viewer' });
    expect((await get({ 'api-key': 'left over from Azure' })).statusCode).toBe(200);
    expect((await get({ authorization: 'Bearer wrong' })).statusCode).toBe(401);
  });

  it.each([
    '//evil.example',
    'https://evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    '/ok\r\nx: y',
    '',
  ])('never send people elsewhere (%j)', async returnTo => {
    await start();
    expect((await signIn({ returnTo })).answer.headers.location).toMatch(/^\/#page=[\w-]{43}$/);
  });

  it('count only for requests of our own pages', async () => {
    const { http } = await start({}, { corsOrigins: ['http://localhost:3000'] });
    world.claims = { roles: ['Admin'] };
    const { session } = await signIn();
    http.upgrades.add({
      path: '/ws',
      config: { policy: 'realtime.connect' },
      handle: async ({ socket }) => void socket.end('HTTP/1.1 101 X\r\n\r\n'),
    });
    const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
    const statuses = async (headers: Record<string, string>) => {
      const all = withSession(session, headers);
      const post = await test.app.inject({
        method: 'POST',
        url: '/v1/api-keys',
        headers: all,
        payload: { name: 'x' },
      });
      const get = await test.app.inject({ url: '/v1/audit', headers: all });
      const socket = await exchange(port, handshake('/ws', all));
      return [post.statusCode, get.statusCode, Number(socket.split(' ')[1])];
    };
    expect(await statuses({ origin: 'http://localhost:8080' })).toEqual([201, 200, 101]);
    expect(await statuses({ 'sec-fetch-site': 'same-origin' })).toEqual([201, 200, 101]);
    for (const headers of [
      { origin: 'http://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:3000' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ] as Record<string, string>[]) {
      expect(await statuses(headers)).toEqual([401, 401, 401]);
    }
  });

  it('write and open sockets, and act as an Admin, only with the secret of the page', async () => {
    const { app, http } = await start();
    world.claims = { roles: ['Admin'] };
    const { session } = await signIn();
    const origin = 'http://localhost:8080';
    const stolen = { ...withSession(session, { origin }), 'x-holdfast-page': 'x'.repeat(43) };
    expect((await app.inject({ url: '/v1/me', headers: stolen })).json().role).toBe('Developer');
    expect((await app.inject({ url: '/v1/audit', headers: stolen })).statusCode).toBe(403);
    const post = { method: 'POST', url: '/v1/api-keys', payload: { name: 'x' } } as const;
    expect((await app.inject({ ...post, headers: stolen })).statusCode).toBe(401);
    const without = withSession(session);
    expect((await app.inject({ ...post, headers: without })).statusCode).toBe(401);
    http.upgrades.add({ path: '/ws', config: { policy: 'me.read' }, handle: async () => {} });
    const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
    expect(await exchange(port, handshake('/ws', stolen))).toMatch(/^HTTP\/1\.1 401/);
  });

  it('end at sign-out, here and at the issuer, which other sites cannot cause', async () => {
    await start();
    const { session } = await signIn();
    const out = (headers: Record<string, string>) =>
      test.app.inject({
        method: 'POST',
        url: '/auth/logout',
        headers: withSession(session, headers),
      });
    expect((await out({ origin: 'http://evil.example' })).statusCode).toBe(403);
    expect((await out({ 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403);
    const done = await out({ origin: 'http://localhost:8080' });
    expect(done.json().redirect).toContain(`${world.issuer.issuer.url}/endsession?`);
    const after = await test.app.inject({ url: '/v1/me', headers: withSession(session) });
    expect(after.statusCode).toBe(401);
  });

  it('are marked Secure and __Host- under an https address', async () => {
    await start({}, { publicUrl: 'https://holdfast.example' });
    const answer = await test.app.inject({ url: '/auth/login', headers: { host: 'inner' } });
    expect(String(answer.headers['set-cookie'])).toMatch(
      /^__Host-holdfast_signin=.*Path=\/; HttpOnly; Secure; SameSite=Lax/,
    );
    const url = new URL(String(answer.headers.location));
    expect(url.searchParams.get('redirect_uri')).toBe('https://holdfast.example/auth/callback');
  });

  it('send a client secret when there is one', async () => {
    const bodies: string[] = [];
    world.issuer.service.once('beforeResponse', (_response, request) =>
      bodies.push(JSON.stringify(request.body)),
    );
    await start({ clientSecret: 's3cret' });
    expect((await signIn()).answer.statusCode).toBe(303);
    expect(bodies[0]).toContain('"client_secret":"s3cret"');
  });
});
