/** The identity provider ends sign-ins by itself: OpenID Connect Back-Channel Logout 1.0. */
import type { Role } from '@holdfast/protocol';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { pageOf, TestAuth } from '../testing/index.ts';
import { AUDIENCE, type OidcWorld, openOidcWorld, signInAt } from './testing.ts';

const HOST = 'localhost:8080';
const CLIENT = 'console-client';
const EVENTS = { 'http://schemas.openid.net/event/backchannel-logout': {} };

let world: OidcWorld;
let test: TestAuth;
let count = 0;
beforeAll(async () => {
  world = await openOidcWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  test = await world.start();
});
afterEach(() => test.close());

type Page = ReturnType<typeof pageOf>;

async function signIn(sid: string | undefined, sub = 'johndoe'): Promise<Page> {
  world.claims = { roles: ['Developer'], sid, sub };
  const page = await signInAt(test);
  world.claims = {};
  return page;
}

const status = async (headers: Record<string, string>) =>
  (await test.app.inject({ url: '/v1/me', headers: { host: HOST, ...headers } })).statusCode;

const nowS = () => Math.floor(Date.now() / 1000);

/** A logout token as the issuer signs it, with changes; undefined takes a claim away. */
function logoutToken(change: Record<string, unknown> = {}): Promise<string> {
  count += 1;
  const claims: Record<string, unknown> = {
    aud: CLIENT,
    sub: 'johndoe',
    iat: nowS(),
    jti: `jti-${count}`,
    events: EVENTS,
    nbf: undefined,
    ...change,
  };
  return world.issuer.issuer.buildToken({
    expiresIn: 120,
    scopesOrTransform: (_header, payload) => {
      Object.assign(payload, claims);
      for (const [name, value] of Object.entries(claims)) {
        if (value === undefined) delete payload[name];
      }
    },
  });
}

async function send(token: string, type = 'application/x-www-form-urlencoded') {
  return test.app.inject({
    method: 'POST',
    url: '/auth/backchannel-logout',
    headers: { host: HOST, 'content-type': type },
    payload: type.includes('json')
      ? JSON.stringify({ logout_token: token })
      : new URLSearchParams({ logout_token: token }).toString(),
  });
}

describe('a logout token is refused, and ends nothing', () => {
  it.each([
    ['from another issuer', { iss: 'http://localhost:1' }],
    ['for another client', { aud: 'other' }],
    ['for the API instead of the client', { aud: AUDIENCE }],
    ['without an audience', { aud: undefined }],
    ['without a time', { iat: undefined }],
    ['that is old', { iat: nowS() - 3600 }],
    ['from the future', { iat: nowS() + 3600 }],
    ['that has expired', { exp: nowS() - 60 }],
    ['without an id', { jti: undefined }],
    ['with an id that is no text', { jti: 7 }],
    ['without an event', { events: undefined }],
    ['with another event', { events: { 'http://schemas.openid.net/event/other': {} } }],
    ['whose event is no object', { events: { ...EVENTS, [Object.keys(EVENTS)[0]!]: 'x' } }],
    ['whose events are a list', { events: Object.keys(EVENTS) }],
    ['that has a nonce, so is an ID token', { nonce: 'n' }],
    ['that names nobody', { sub: undefined }],
    ['whose sid is no text', { sid: 7 }],
  ])('%s', async (_what, change) => {
    const page = await signIn('s1');
    const answer = await send(await logoutToken(change));
    expect([answer.statusCode, answer.json().field]).toEqual([400, 'logout_token']);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(await status(page)).toBe(200);
  });

  it('that is signed by another key, unsigned, cut, or empty', async () => {
    const page = await signIn('s1');
    const good = await logoutToken();
    const claims = { sub: 'johndoe', jti: 'x', events: EVENTS };
    const other = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(world.issuer.issuer.url!)
      .setAudience(CLIENT)
      .setIssuedAt()
      .sign(new TextEncoder().encode('k'.repeat(32)));
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`;
    for (const token of [other, none, good.slice(0, -8), 'x', '']) {
      expect((await send(token)).statusCode).toBe(400);
    }
    expect((await send('x'.repeat(40_000))).statusCode).toBe(413);
    expect(await status(page)).toBe(200);
  });

  it('a second time', async () => {
    const token = await logoutToken({ sub: 'twice' });
    expect((await send(token)).statusCode).toBe(200);
    expect((await send(token)).statusCode).toBe(400);
  });
});

const bearer = async (iat: number, sub = 'johndoe') => ({
  authorization: `Bearer ${await world.issuer.issuer.buildToken({
    expiresIn: 600,
    scopesOrTransform: (_header, payload) => {
      Object.assign(payload, { sub, aud: AUDIENCE, roles: ['Developer'], iat });
    },
  })}`,
});

describe('a logout token', () => {
  it('ends the sign-in that it names, and no other', async () => {
    const [one, other] = [await signIn('s1'), await signIn('s2')];
    const answer = await send(await logoutToken({ sid: 's1' }));
    expect([answer.statusCode, answer.headers['cache-control']]).toEqual([200, 'no-store']);
    expect([await status(one), await status(other)]).toEqual([401, 200]);
    expect((await send(await logoutToken({ sid: 's2', sub: undefined }))).statusCode).toBe(200);
    expect(await status(other)).toBe(401);
  });

  it('ends sign-ins of its person whose sid is not known, and none of others', async () => {
    const [one, ann] = [await signIn(undefined), await signIn(undefined, 'ann')];
    await send(await logoutToken({ sid: 's9', sub: undefined }));
    expect([await status(one), await status(ann)]).toEqual([200, 200]);
    await send(await logoutToken({ sid: 's9' }));
    expect([await status(one), await status(ann)]).toEqual([401, 200]);
  });

  it('that comes late does not undo a later one', async () => {
    const between = await bearer(nowS() - 60, 'late');
    expect((await send(await logoutToken({ sub: 'late', iat: nowS() - 30 }))).statusCode).toBe(200);
    expect(await status(between)).toBe(401);
    expect((await send(await logoutToken({ sub: 'late', iat: nowS() - 90 }))).statusCode).toBe(200);
    expect(await status(between)).toBe(401);
  });

  it('ends all sign-ins and earlier tokens of a person, and none of others', async () => {
    const [one, two, ann] = [await signIn('s1'), await signIn('s2'), await signIn('s3', 'ann')];
    const before = await bearer(nowS() - 30);
    expect(await status(before)).toBe(200);
    // Another person's sign-in is not ended by naming it together with this person.
    await send(await logoutToken({ sid: 's3' }));
    expect(await status(ann)).toBe(200);
    expect((await send(await logoutToken({ iat: nowS() - 5 }))).statusCode).toBe(200);
    const after = await bearer(nowS());
    expect([await status(one), await status(two), await status(ann)]).toEqual([401, 401, 200]);
    expect([await status(before), await status(after)]).toEqual([401, 200]);
    const audit = await test.auth.audit.list('default', { limit: 20 });
    expect(audit.data).toContainEqual(
      expect.objectContaining({
        principal: 'user:johndoe',
        action: 'console.back_channel_logout',
      }),
    );
  });

  it('ends what is open by an earlier token', async () => {
    const { watch } = test.auth;
    await watch.start?.();
    const heard: (Role | null)[] = [];
    test.app.get('/open', { config: { policy: 'me.read' } }, async ({ principal }) => {
      watch.follow(principal, role => heard.push(role));
      return {};
    });
    const token = await world.issuer.issuer.buildToken({
      expiresIn: 600,
      scopesOrTransform: (_header, payload) => {
        const claims = { sub: 'opener', aud: AUDIENCE, roles: ['Developer'], iat: nowS() - 30 };
        Object.assign(payload, claims);
      },
    });
    const headers = { host: HOST, authorization: `Bearer ${token}` };
    expect((await test.app.inject({ url: '/open', headers })).statusCode).toBe(200);
    expect((await send(await logoutToken({ sub: 'opener' }))).statusCode).toBe(200);
    await vi.waitFor(() => expect(heard).toEqual([null]), { timeout: 5_000, interval: 20 });
    await watch.stop?.();
  });
});
