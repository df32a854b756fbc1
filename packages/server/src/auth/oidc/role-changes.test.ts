/** Roles from claims hold for minutes: what an identity provider takes away is gone then. */
import type { Role } from '@holdfast/protocol';
import { sql } from 'kysely';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  onTestFinished,
  vi,
} from 'vitest';
import type { Database } from '../../platform/database/index.ts';
import type { TestAuth } from '../testing/index.ts';
import { AUDIENCE, type OidcWorld, openOidcWorld, signInAt } from './testing.ts';

const HOST = 'localhost:8080';

let world: OidcWorld;
let test: TestAuth;
/** Grants that the issuer's token endpoint was asked for, and how it answers them. */
const grants: string[] = [];
let answerOf: (grant: string) => { status: number; body: object } | undefined = () => undefined;
beforeAll(async () => {
  world = await openOidcWorld();
  world.issuer.service.on('beforeResponse', (response, request) => {
    const { grant_type: grant } = request.body as { grant_type: string };
    grants.push(grant);
    const other = answerOf(grant);
    if (other !== undefined)
      Object.assign(response, { statusCode: other.status, body: other.body });
  });
});
afterAll(() => world.close());
beforeEach(async () => {
  world.claims = { roles: ['Admin'], name: 'Jo Doe' };
  answerOf = () => undefined;
  grants.length = 0;
  test = await world.start();
});
afterEach(() => test.close());

const signIn = () => signInAt(test);

const me = (headers: Record<string, string>) =>
  test.app.inject({ url: '/v1/me', headers: { host: HOST, ...headers } });
/** Lets time pass for all sign-ins. */
const due = (since: string) =>
  sql`update console_sessions set roles_until = now() - ${sql.lit(since)}::interval`.execute(
    world.database.db,
  );

describe('the roles of a sign-in', () => {
  it('are lost when the provider no longer gives the person any token', async () => {
    const page = await signIn();
    answerOf = grant =>
      grant === 'refresh_token' ? { status: 400, body: { error: 'invalid_grant' } } : undefined;
    await due('1 second');
    expect((await me(page)).statusCode).toBe(401);
    answerOf = () => undefined;
    expect((await me(page)).statusCode).toBe(401);
  });

  it('are lost when there is no refresh token to read them again with', async () => {
    answerOf = grant => {
      const without = { access_token: 'x', token_type: 'Bearer', expires_in: 60 };
      return grant === 'refresh_token' ? { status: 200, body: without } : undefined;
    };
    const page = await signIn();
    expect((await me(page)).json()).toMatchObject({ role: 'Admin', sign_in_ends_at: null });
    await sql`update console_sessions set refresh_data = null`.execute(world.database.db);
    const { role, sign_in_ends_at: endsAt } = (await me(page)).json();
    expect(role).toBe('Admin');
    expect(Date.parse(endsAt) - Date.now()).toBeGreaterThan(500_000);
    expect(Date.parse(endsAt) - Date.now()).toBeLessThan(610_000);
    await due('1 second');
    expect((await me(page)).statusCode).toBe(401);
    expect(grants).not.toContain('refresh_token');
    const other = await signIn();
    await due('1 second');
    // An answer without an ID token does not say what the roles are.
    expect((await me(other)).statusCode).toBe(401);
  });

  it('end soon without a refresh token, which is said in the log, once', async () => {
    const drop = (response: { body: unknown }) =>
      Object.assign(response.body as object, { refresh_token: undefined });
    world.issuer.service.on('beforeResponse', drop);
    onTestFinished(() => void world.issuer.service.off('beforeResponse', drop));
    for (const page of [await signIn(), await signIn()]) {
      expect((await me(page)).json().sign_in_ends_at).toMatch(/^20/);
    }
    const warned = test.lines().filter(({ event }) => event === 'console.no_refresh_token');
    expect(warned).toMatchObject([
      { level: 'warn', sign_in_ends_after_s: 600, note: expect.stringContaining('offline_access') },
    ]);
  });

  it('are what the provider says now, once they are due', async () => {
    const page = await signIn();
    world.claims = { roles: ['Viewer'], name: 'Jo Doe' };
    expect((await me(page)).json().role).toBe('Admin');
    await due('1 second');
    expect((await me(page)).json().role).toBe('Viewer');
    world.claims = { roles: [], name: 'Jo Doe' };
    await due('1 second');
    expect((await me(page)).statusCode).toBe(403);
  });

  it('are never those of another person', async () => {
    const page = await signIn();
    world.claims = { ...world.claims, sub: 'other' };
    await due('1 second');
    expect((await me(page)).statusCode).toBe(401);
  });

  it('are read by one of many requests, and its token is used once', async () => {
    const page = await signIn();
    const second = await world.start();
    await due('1 second');
    grants.length = 0;
    world.claims = { roles: ['Viewer'] };
    const asked = Array.from({ length: 12 }, (_, n) =>
      (n % 2 === 0 ? test : second).app.inject({
        url: '/v1/me',
        headers: { host: HOST, ...page },
      }),
    );
    const roles = (await Promise.all(asked)).map(answer => answer.json().role);
    expect(new Set(roles)).toEqual(new Set(['Viewer']));
    expect(grants).toEqual(['refresh_token']);
    await second.close();
  });

  it('stand for an hour while the provider does not answer, and no longer', async () => {
    const page = await signIn();
    answerOf = grant =>
      grant === 'refresh_token' ? { status: 503, body: { error: 'unavailable' } } : undefined;
    await due('50 minutes');
    expect((await me(page)).json().role).toBe('Admin');
    await due('61 minutes');
    await sql`update console_sessions set renewing_until = null`.execute(world.database.db);
    const answer = await me(page);
    expect([answer.statusCode, answer.json().code]).toEqual([503, 'unavailable']);
  });

  it('are read with the next token, also when the check of the answer failed', async () => {
    const page = await signIn();
    const presented: unknown[] = [];
    const note = (_response: unknown, { body }: { body: Record<string, unknown> }) =>
      presented.push(body.refresh_token);
    world.issuer.service.on('beforeResponse', note);
    const idToken = await world.issuer.issuer.buildToken({
      expiresIn: 60,
      scopesOrTransform: (_header, payload) => {
        Object.assign(payload, { sub: 'johndoe', aud: 'console-client' });
      },
    });
    const [head, claims] = idToken.split('.');
    const next = {
      access_token: 'x',
      token_type: 'Bearer',
      refresh_token: 'next',
      id_token: `${head}.${claims}.${'A'.repeat(342)}`,
    };
    answerOf = grant => (grant === 'refresh_token' ? { status: 200, body: next } : undefined);
    await due('1 second');
    expect((await me(page)).json().role).toBe('Admin');
    answerOf = () => undefined;
    world.claims = { roles: ['Viewer'] };
    await sql`update console_sessions set renewing_until = null`.execute(world.database.db);
    expect((await me(page)).json().role).toBe('Viewer');
    world.issuer.service.off('beforeResponse', note);
    expect(presented).toEqual([expect.stringMatching(/.{8}/), 'next']);
  });

  it('are read with the next token, also when the database was away as it came', async () => {
    const page = await signIn();
    world.claims = { roles: ['Viewer'] };
    const presented: unknown[] = [];
    let away = false;
    const note = (response: { body: unknown }, { body }: { body: Record<string, unknown> }) => {
      presented.push(body.refresh_token);
      Object.assign(response.body as object, { refresh_token: 'next' });
      away = presented.length === 1;
    };
    world.issuer.service.on('beforeResponse', note);
    onTestFinished(() => void world.issuer.service.off('beforeResponse', note));
    const { database: real } = world;
    const transaction: Database['transaction'] = (...args) =>
      away ? Promise.reject(new Error('away')) : real.transaction(...args);
    const database: Database = Object.assign(Object.create(real), { transaction });
    const flaky = await world.start({}, {}, { database });
    onTestFinished(() => flaky.close());
    await due('1 second');
    const ask = () => flaky.app.inject({ url: '/v1/me', headers: { host: HOST, ...page } });
    expect((await ask()).json().role).toBe('Admin');
    away = false;
    await vi.waitFor(
      async () => {
        await sql`update console_sessions set renewing_until = null`.execute(world.database.db);
        expect((await ask()).json().role).toBe('Viewer');
      },
      { timeout: 5_000, interval: 50 },
    );
    expect(presented[0]).not.toBe('next');
    expect(new Set(presented.slice(1))).toEqual(new Set(['next']));
  });

  it('stand at once while the provider is not asked again', async () => {
    const page = await signIn();
    answerOf = grant =>
      grant === 'refresh_token' ? { status: 503, body: { error: 'unavailable' } } : undefined;
    await due('1 second');
    await me(page);
    const second = await world.start();
    const before = performance.now();
    const answer = await second.app.inject({ url: '/v1/me', headers: { host: HOST, ...page } });
    expect(performance.now() - before).toBeLessThan(2_000);
    expect(answer.json().role).toBe('Admin');
    await second.close();
  });

  it('end what is open on them, though no page asks for anything', async () => {
    const page = await signIn();
    const { watch, sessions } = test.auth;
    await watch.start?.();
    const { basis } = (await sessions.find(page.cookie.split('=')[1]!))!;
    const heard: (Role | null)[] = [];
    const rights = { id: 'user:johndoe', projectId: 'default', role: 'Admin', basis } as const;
    watch.follow(rights, role => heard.push(role));
    world.claims = { roles: ['sales:Admin'] };
    await due('1 second');
    await vi.waitFor(() => expect(heard).toEqual([null]), { timeout: 5_000, interval: 20 });
    await watch.stop?.();
  });

  it('are kept with a sealed token', async () => {
    const page = await signIn();
    const stored = async () => {
      const { rows } = await sql<{ text: string }>`
        select encode(refresh_data, 'escape') as text from console_sessions
        where refresh_data is not null`.execute(world.database.db);
      expect(rows.length).toBeGreaterThan(0);
      return rows.map(({ text }) => text).join();
    };
    const first = await stored();
    await due('1 second');
    expect((await me(page)).statusCode).toBe(200);
    const renewed = await stored();
    expect(renewed).not.toBe(first);
    for (const text of [first, renewed]) expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
  });
});

describe('the roles of tokens', () => {
  const token = (issuedAtS: number, claims: Record<string, unknown>) =>
    world.issuer.issuer.buildToken({
      expiresIn: 3600,
      scopesOrTransform: (_header, payload) => {
        Object.assign(payload, { sub: 'tok', aud: AUDIENCE, iat: issuedAtS, ...claims });
      },
    });
  const nowS = () => Math.floor(Date.now() / 1000);
  const by = async (text: Promise<string>) => {
    world.claims = {};
    return me({ authorization: `Bearer ${await text}` });
  };

  it('are those of the newest, also for a token from before', async () => {
    const older = token(nowS() - 60, { roles: ['Admin'] });
    expect((await by(older)).json().role).toBe('Admin');
    expect((await by(token(nowS(), { roles: ['Viewer'] }))).json().role).toBe('Viewer');
    expect((await by(older)).json().role).toBe('Viewer');
  });

  it('are compared for one client only', async () => {
    const wide = token(nowS() - 60, { roles: ['Admin'], azp: 'wide' });
    expect((await by(wide)).json().role).toBe('Admin');
    const narrow = await by(token(nowS(), { roles: [], azp: 'narrow' }));
    expect(narrow.statusCode).toBe(403);
    expect((await by(wide)).json().role).toBe('Admin');
  });

  it('are compared for one audience only, and rights from before go with the newest', async () => {
    const two = await world.start({ audiences: [AUDIENCE, 'api://other'] });
    onTestFinished(() => two.close());
    const ask = async (aud: string | string[], agoS: number, role: string) => {
      const text = token(nowS() - agoS, { sub: 'aud', roles: [role], azp: 'app', aud });
      world.claims = {};
      const headers = { host: HOST, authorization: `Bearer ${await text}` };
      return (await two.app.inject({ url: '/v1/me', headers })).json().role;
    };
    await sql`insert into claimed_roles (principal_id, source, roles, claimed_at)
      values ('user:aud', 'token:app', '{"default":"Admin"}', now() - interval '1 day')`.execute(
      world.database.db,
    );
    expect(await ask(AUDIENCE, 60, 'Admin')).toBe('Admin');
    expect(await ask('api://other', 30, 'Viewer')).toBe('Viewer');
    expect(await ask(AUDIENCE, 60, 'Admin')).toBe('Admin');
    const { rows } = await sql<{ roles: object }>`
      select roles from claimed_roles where source = 'token:app'`.execute(world.database.db);
    expect(rows[0]?.roles).toEqual({ default: 'Viewer' });
  });

  it('end what is open by a token when a newer one gives less', async () => {
    const { watch, clientSecrets } = test.auth;
    await watch.start?.();
    const open = token(nowS() - 60, { roles: ['Developer'], azp: 'app' });
    const heard: (Role | null)[] = [];
    test.app.post('/open', { config: { policy: 'realtime.mint' } }, async ({ principal }) => {
      watch.follow(principal, role => heard.push(role));
      const mint = { ttlS: 60, maxSessions: 1, model: 'm', session: {}, locked: [] };
      return clientSecrets.mint(principal, mint);
    });
    world.claims = {};
    const headers = { host: HOST, authorization: `Bearer ${await open}` };
    const minted = await test.app.inject({ method: 'POST', url: '/open', headers });
    const { value } = minted.json();
    expect(await clientSecrets.verify(value)).toBeDefined();
    await by(token(nowS(), { roles: ['Viewer'], azp: 'app' }));
    await vi.waitFor(() => expect(heard).toEqual(['Viewer']), { timeout: 1_000, interval: 20 });
    expect(await clientSecrets.verify(value)).toBeUndefined();
    await watch.stop?.();
  });
});
