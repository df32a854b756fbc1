import { afterAll, beforeAll, expect, it } from 'vitest';
import { type OidcWorld, openOidcWorld } from '../oidc/testing.ts';
import { openTestAuth, principal } from '../testing/index.ts';

let world: OidcWorld;
beforeAll(async () => {
  world = await openOidcWorld();
});
afterAll(() => world.close());

const host = { host: 'localhost:8080' };

it('what was made in local mode ends with an identity provider, and nothing else', async () => {
  const local = await openTestAuth(world.database);
  const { auth } = local;
  const user = { kind: 'local', id: 'local', name: 'Local user', projectId: 'default' } as const;
  const key = async (by: Parameters<typeof auth.apiKeys.create>[0]) =>
    auth.apiKeys.create(by, { name: 'k', role: 'Admin' }, 'r');
  const own = await key({ ...user, role: 'Admin' });
  const made = await key((await auth.apiKeys.verify(own.key))!);
  const ofOther = await key(principal('Admin'));
  const person = { id: 'local', name: 'Local user', roles: { default: 'Admin' } } as const;
  const session = await auth.sessions.start(person, undefined);
  const mint = { ttlS: 60, maxSessions: 1, model: 'm', session: {}, locked: [] };
  const secret = await auth.clientSecrets.mint({ ...user, role: 'Developer' }, mint);
  const ticket = await auth.streamTickets.mint({ ...user, role: 'Developer' }, ['ses_x']);
  await auth.component.start?.();
  expect(await auth.apiKeys.verify(made.key)).toBeDefined();
  await local.close();

  const oidc = await world.start();
  await oidc.auth.component.start?.();
  for (const { key } of [own, made]) expect(await oidc.auth.apiKeys.verify(key)).toBeUndefined();
  expect(await oidc.auth.clientSecrets.verify(secret.value)).toBeUndefined();
  expect(await oidc.auth.streamTickets.verify(ticket.value)).toBeUndefined();
  const page = {
    cookie: `${oidc.auth.cookies.sessionName}=${session.token}`,
    'x-holdfast-page': session.pageSecret,
  };
  expect((await oidc.app.inject({ url: '/v1/me', headers: { ...host, ...page } })).statusCode).toBe(
    401,
  );
  const withKey = { ...host, authorization: `Bearer ${ofOther.key}` };
  expect((await oidc.app.inject({ url: '/v1/me', headers: withKey })).statusCode).toBe(200);
  const audit = (await oidc.app.inject({ url: '/v1/audit', headers: withKey })).json().data;
  for (const { id } of [own, made]) {
    expect(audit).toContainEqual(expect.objectContaining({ action: 'keys.revoke', target: id }));
  }
  const warned = () => oidc.lines().filter(({ event }) => event === 'auth.local_keys_revoked');
  expect(warned()).toMatchObject([{ keys: 2 }]);
  await oidc.auth.component.start?.();
  expect(warned()).toHaveLength(1);
  await oidc.close();
});
