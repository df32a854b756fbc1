import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { exchange, handshake } from '../../http/testing.ts';
import { principal, type TestAuth } from '../testing/index.ts';
import { AUDIENCE, type OidcWorld, openOidcWorld } from './testing.ts';

const SESSION = 'holdfast_session';

let world: OidcWorld;
let test: TestAuth;
let issuer: OidcWorld['issuer'];
beforeAll(async () => {
  world = await openOidcWorld();
  issuer = world.issuer;
});
afterAll(() => world.close());
afterEach(() => test.close());

async function start(...options: Parameters<OidcWorld['start']>): Promise<TestAuth> {
  test = await world.start(...options);
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

  it('with 403 when a role is only what a group is called', async () => {
    await start();
    const groups = ['Admin', 'default:Admin', 'Developer', 'Viewer'];
    expect((await me(await token({ roles: undefined, groups }))).statusCode).toBe(403);
    const viewer = await token({ roles: ['Viewer'], groups });
    expect((await me(viewer)).json()).toMatchObject({ role: 'Viewer' });
  });

  it('with 403 for a project that they name and that does not exist, and make none', async () => {
    await start();
    const bearer = await token({ roles: ['made-up:Admin'] });
    const answers = [await me(bearer), await me(bearer, { 'x-holdfast-project': 'made-up' })];
    expect(answers.map(answer => answer.statusCode)).toEqual([403, 403]);
    expect(await test.auth.projects.existing(['made-up'])).toEqual(new Set());
    await test.auth.projects.ensure(['made-up']);
    expect((await me(bearer)).json()).toMatchObject({ project_id: 'made-up', role: 'Admin' });
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
      sign_in_ends_at: null,
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
        roles: ['realm_access.roles'],
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
