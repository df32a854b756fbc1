import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT, UnsecuredJWT } from 'jose';
import { OAuth2Server } from 'oauth2-mock-server';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { exchange, handshake } from '../../http/testing.ts';
import type { PgliteDatabase } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import type { AuthOptions } from '../create-auth.ts';
import { cookieOf, openTestAuth, principal, type TestAuth } from '../testing/index.ts';

const CLIENT = 'console-client';
const AUDIENCE = 'api://holdfast';
const SESSION = 'holdfast_session';
const SIGN_IN = 'holdfast_signin';

let database: PgliteDatabase;
let issuer: OAuth2Server;
let test: TestAuth;
/** Added to every token that the issuer's endpoints hand out. */
let claims: Record<string, unknown> = {};

beforeAll(async () => {
  database = await openTestDatabase();
  issuer = new OAuth2Server();
  await issuer.issuer.keys.generate('RS256');
  issuer.service.on('beforeTokenSigning', token => Object.assign(token.payload, claims));
  await issuer.start(0, '127.0.0.1');
});
afterAll(async () => {
  await issuer.stop();
  await database.close();
});
beforeEach(() => {
  claims = { roles: ['Developer'], name: 'Jo Doe' };
});
afterEach(() => test.close());

async function start(
  oidc: Partial<NonNullable<AuthOptions['oidc']>> = {},
  options: Parameters<typeof openTestAuth>[1] = {},
): Promise<TestAuth> {
  test = await openTestAuth(database, {
    oidc: {
      issuer: issuer.issuer.url!,
      clientId: CLIENT,
      audiences: [AUDIENCE],
      scopes: 'openid profile',
      ...oidc,
    },
    ...options,
  });
  return test;
}

/** A token as the issuer signs it for the API, with changes. */
function token(change: Record<string, unknown> = {}, expiresIn = 300): Promise<string> {
  return issuer.issuer.buildToken({
    expiresIn,
    scopesOrTransform: (_header, payload) => {
      Object.assign(payload, { sub: 'jo', aud: AUDIENCE, roles: ['Developer'], ...change });
      for (const [name, value] of Object.entries(change))
        if (value === undefined) delete payload[name];
    },
  });
}

function me(bearer: string, headers: Record<string, string> = {}) {
  return test.app.inject({
    url: '/v1/me',
    headers: { host: 'localhost:8080', authorization: `Bearer ${bearer}`, ...headers },
  });
}

const NO_ENTRY = 'Missing, invalid or expired credentials.';

describe('bearer tokens are refused', () => {
  it.each([
    ['for another audience', () => token({ aud: 'api://other' })],
    ['without an audience', () => token({ aud: undefined })],
    ['from another issuer', () => token({ iss: 'http://localhost:1' })],
    ['without a subject', () => token({ sub: undefined })],
    ['without an expiry', () => token({ exp: undefined })],
    ['that have expired', () => token({}, -60)],
    ['that are not valid yet', () => token({ nbf: Math.floor(Date.now() / 1000) + 3600 })],
    [
      'that are unsigned',
      async () =>
        new UnsecuredJWT({ sub: 'jo', roles: ['Admin'] })
          .setIssuer(issuer.issuer.url!)
          .setAudience(AUDIENCE)
          .setExpirationTime('1h')
          .encode(),
    ],
    [
      'that are signed with a shared secret',
      () =>
        new SignJWT({ sub: 'jo', roles: ['Admin'] })
          .setProtectedHeader({ alg: 'HS256' })
          .setIssuer(issuer.issuer.url!)
          .setAudience(AUDIENCE)
          .setExpirationTime('1h')
          .sign(new TextEncoder().encode('x'.repeat(32))),
    ],
    [
      'that are signed with the public key as a secret',
      () => {
        const { kty: _kty, n } = issuer.issuer.keys.toJSON()[0]!;
        return new SignJWT({ sub: 'jo', roles: ['Admin'] })
          .setProtectedHeader({ alg: 'HS256', kid: issuer.issuer.keys.toJSON()[0]!.kid })
          .setIssuer(issuer.issuer.url!)
          .setAudience(AUDIENCE)
          .setExpirationTime('1h')
          .sign(new TextEncoder().encode(String(n)));
      },
    ],
    [
      'that are signed with a key of their own',
      async () => {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        return new SignJWT({ sub: 'jo', roles: ['Admin'] })
          .setProtectedHeader({ alg: 'RS256', kid: issuer.issuer.keys.toJSON()[0]!.kid })
          .setIssuer(issuer.issuer.url!)
          .setAudience(AUDIENCE)
          .setExpirationTime('1h')
          .sign(privateKey);
      },
    ],
    [
      'that were altered',
      async () => {
        const [header, payload, signature] = (await token()).split('.') as [string, string, string];
        const body = {
          ...JSON.parse(Buffer.from(payload, 'base64url').toString()),
          roles: ['Admin'],
        };
        return [header, Buffer.from(JSON.stringify(body)).toString('base64url'), signature].join(
          '.',
        );
      },
    ],
    ['that are no tokens', async () => 'x'],
    ['that are nearly tokens', async () => 'a.b.c'],
    ['that are empty', async () => ''],
    ['that are too long', async () => `a.${'b'.repeat(20_000)}.c`],
  ])('%s', async (_name, make) => {
    await start();
    const answer = await me(await make());
    expect([answer.statusCode, answer.json().detail]).toEqual([401, NO_ENTRY]);
  });

  it('with 403 when they give no role in the project, whether or not it exists', async () => {
    await start();
    const none = await me(
      await token({ roles: ['Owner', 'default:Owner', '../x:Admin', ':Admin', 7, null] }),
    );
    expect(none.statusCode).toBe(403);
    const bearer = await token({ roles: ['sales:Admin'] });
    expect((await me(bearer, { 'x-holdfast-project': 'sales' })).statusCode).toBe(200);
    const other = await token({ roles: ['Developer'] });
    const existing = await me(other, { 'x-holdfast-project': 'sales' });
    const absent = await me(other, { 'x-holdfast-project': 'nowhere' });
    const odd = await me(other, { 'x-holdfast-project': '__proto__' });
    expect(existing.statusCode).toBe(403);
    expect([absent.json().detail, odd.json().detail]).toEqual([
      existing.json().detail,
      existing.json().detail,
    ]);
  });

  it('with 503 when the issuer cannot be asked, and accepted once it can', async () => {
    const proxy = createServer((request, response) => {
      if (!open) return void response.writeHead(500).end();
      void fetch(`${issuer.issuer.url}${request.url}`).then(async answer => {
        response.writeHead(answer.status, { 'content-type': 'application/json' });
        response.end((await answer.text()).replaceAll(issuer.issuer.url!, url));
      });
    });
    let open = false;
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await start({ issuer: url });
    const bearer = await token({ iss: url });
    const check = test.auth.healthChecks[0]!;
    await expect(check.check()).rejects.toThrow();
    const away = await me(bearer);
    expect([away.statusCode, away.json().code]).toEqual([503, 'unavailable']);
    open = true;
    expect((await me(bearer)).statusCode).toBe(200);
    await check.check();
    await new Promise(resolve => proxy.close(resolve));
  });

  it('when nothing is presented, or only what is not meant for us', async () => {
    await start();
    for (const headers of [
      {},
      { 'api-key': 'azure-key' },
      { cookie: `${SESSION}=${'x'.repeat(43)}` },
      { authorization: 'Basic am86am8=' },
    ]) {
      const answer = await test.app.inject({
        url: '/v1/me',
        headers: { host: 'localhost', ...headers },
      });
      expect([answer.statusCode, answer.json().detail]).toEqual([401, NO_ENTRY]);
    }
  });
});

describe('bearer tokens', () => {
  it('make their subject a principal with the highest of its roles', async () => {
    await start();
    const answer = await me(await token({ roles: ['Viewer', 'Admin', 'Developer'], name: 'Jo' }));
    expect(answer.json()).toEqual({
      id: 'user:jo',
      name: 'Jo',
      kind: 'user',
      project_id: 'default',
      role: 'Admin',
      mode: 'oidc',
    });
  });

  it('choose among projects: by header, else default, else the first', async () => {
    await start();
    const some = await token({ roles: ['zoo:Viewer', 'art:Developer'] });
    expect((await me(some)).json()).toMatchObject({ project_id: 'art', role: 'Developer' });
    expect((await me(some, { 'x-holdfast-project': 'zoo' })).json()).toMatchObject({
      role: 'Viewer',
    });
    const all = await token({ roles: ['art:Developer', 'Viewer'] });
    expect((await me(all)).json()).toMatchObject({ project_id: 'default', role: 'Viewer' });
  });

  it('may be shaped as Entra shapes them, with groups that a map explains', async () => {
    const group = '6f1c9f4e-0000-4000-8000-000000000001';
    await start({
      claims: {
        roles: ['realm_access.roles', 'groups'],
        subject: 'oid',
        roleMap: { [group]: 'sales:Admin' },
      },
    });
    const bearer = await token({
      oid: '00000000-1111-2222-3333-444444444444',
      groups: [group, 'unrelated'],
      realm_access: { roles: ['Viewer'] },
      preferred_username: 'jo@example.com',
      ver: '2.0',
    });
    const answer = await me(bearer, { 'x-holdfast-project': 'sales' });
    expect(answer.json()).toMatchObject({
      id: 'user:00000000-1111-2222-3333-444444444444',
      role: 'Admin',
      name: 'jo@example.com',
    });
    expect((await me(bearer)).json()).toMatchObject({ role: 'Viewer' });
  });

  it('open WebSockets, in a header, as a subprotocol or in the query', async () => {
    const { http } = await start();
    http.upgrades.add({
      path: '/ws',
      config: { policy: 'realtime.connect' },
      async handle({ socket, principal }) {
        socket.end(`HTTP/1.1 101 X\r\nx-who: ${principal.id}\r\n\r\n`);
      },
    });
    const { port } = await http.listen({ host: '127.0.0.1', port: 0 });
    const bearer = await token();
    const key = `openai-insecure-api-key.${bearer}`;
    const origin = 'https://elsewhere.example';
    for (const [path, headers] of [
      ['/ws', { authorization: `Bearer ${bearer}` }],
      ['/ws', { 'sec-websocket-protocol': `realtime, ${key}`, origin }],
      ['/ws', { 'api-key': bearer }],
      [`/ws?api-key=${bearer}`, {}],
    ] as const) {
      expect(await exchange(port, handshake(path, headers))).toContain('x-who: user:jo');
    }
    const viewer = await token({ roles: ['Viewer'] });
    for (const [path, headers, status] of [
      ['/ws', {}, 401],
      ['/ws', { 'sec-websocket-protocol': 'realtime' }, 401],
      ['/ws', { 'sec-websocket-protocol': 'realtime, openai-insecure-api-key.' }, 401],
      ['/ws', { 'sec-websocket-protocol': `${key}x` }, 401],
      ['/ws?api-key=nonsense', {}, 401],
      ['/ws', { authorization: `Bearer ${viewer}` }, 403],
    ] as const) {
      const answer = await exchange(port, handshake(path, headers));
      expect(answer.split(' ')[1]).toBe(String(status));
      expect(answer).not.toContain('openai-insecure');
    }
    expect(JSON.stringify(test.lines())).not.toContain(bearer.slice(-20));
    const plain = await test.app.inject({
      url: `/v1/me?api-key=${bearer}`,
      headers: { host: 'localhost' },
    });
    expect(plain.statusCode).toBe(401);
  });

  it('stand beside API keys and client secrets of ours', async () => {
    const { auth } = await start();
    const { key } = await auth.apiKeys.create(
      principal('Admin'),
      { name: 'k', role: 'Admin' },
      'r',
    );
    expect((await me(key)).json()).toMatchObject({ kind: 'api_key', role: 'Admin', mode: 'oidc' });
    const inHeader = await test.app.inject({
      url: '/v1/me',
      headers: { host: 'localhost', 'api-key': key },
    });
    expect(inHeader.statusCode).toBe(200);
  });
});

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
  return { begun, callback, pending, answer, session: cookieOf(answer, SESSION) };
}

const withSession = (session: string | undefined, headers: Record<string, string> = {}) => ({
  host: 'localhost:8080',
  cookie: `${SESSION}=${session}`,
  ...headers,
});

describe('sign-in is refused', () => {
  it.each([
    ['with another state', { url: (url: URL) => url.searchParams.set('state', 'other') }],
    ['without a state', { url: (url: URL) => url.searchParams.delete('state') }],
    ['with another code', { url: (url: URL) => url.searchParams.set('code', 'other') }],
    ['without the cookie, as when somebody else began it', { cookie: () => '' }],
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
    claims = { ...claims, aud: 'other-client' };
    expect((await signIn()).answer.statusCode).toBe(401);
  });

  it('to people without a role', async () => {
    await start();
    claims = { name: 'Jo' };
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
    claims = { roles: ['Admin', 'sales:Viewer'], name: 'Jo Doe' };
    const { begun, answer, session } = await signIn({ returnTo: '/sessions?x=1' });
    const url = new URL(String(begun.headers.location));
    expect(url.searchParams.get('code_challenge_method')).toBe('S256');
    for (const name of ['code_challenge', 'state', 'nonce']) {
      expect(url.searchParams.get(name)!.length).toBeGreaterThan(20);
    }
    expect(url.searchParams.get('redirect_uri')).toBe('http://localhost:8080/auth/callback');
    expect([answer.statusCode, answer.headers.location]).toEqual([303, '/sessions?x=1']);
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
    expect((await signIn({ returnTo })).answer.headers.location).toBe('/');
  });

  it('count only for requests of our own pages', async () => {
    const { http } = await start({}, { corsOrigins: ['http://localhost:3000'] });
    claims = { roles: ['Admin'] };
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
    expect(done.json().redirect).toContain(`${issuer.issuer.url}/endsession?`);
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
    issuer.service.once('beforeResponse', (_response, request) =>
      bodies.push(JSON.stringify(request.body)),
    );
    await start({ clientSecret: 's3cret' });
    expect((await signIn()).answer.statusCode).toBe(303);
    expect(bodies[0]).toContain('"client_secret":"s3cret"');
  });
});
