import { randomBytes } from 'node:crypto';
import type { Role } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Auth, Principal, StartedSession } from '../../../packages/server/src/auth/index.ts';
import { type WalkCaller, walkCallers } from '../../../packages/server/src/auth/testing/walk.ts';
import type { Database } from '../../../packages/server/src/platform/database/index.ts';
import type { Issuer } from './issuer.ts';

type Headers = Readonly<Record<string, string>>;

const bearer = (value: string): Headers => ({ authorization: `Bearer ${value}` });
const pageHeaders = (auth: Auth, { token, pageSecret }: StartedSession): Headers => ({
  cookie: `${auth.cookies.sessionName}=${token}`,
  'x-holdfast-page': pageSecret,
  'sec-fetch-site': 'same-origin',
});
const secret = () => randomBytes(32).toString('base64url');
const ADMIN = {
  kind: 'user',
  id: 'user:callers',
  name: 'Callers',
  projectId: 'default',
  role: 'Admin',
} as const satisfies Principal;

/** All kinds of callers: keys, client secrets, tokens, a console session. */
export async function goodCallers(auth: Auth, issuer: Issuer): Promise<WalkCaller[]> {
  const callers = await walkCallers(auth);
  const people: [string, Role, string][] = [
    ['ann', 'Viewer', 'default'],
    ['bob', 'Developer', 'default'],
    ['eve', 'Developer', 'walk'],
  ];
  for (const [sub, role, projectId] of people) {
    callers.push({
      label: `${role} by token in ${projectId}`,
      headers: bearer(await issuer.token({ sub, roles: [`${projectId}:${role}`] })),
      principal: { kind: 'user', id: `user:${sub}`, name: sub, projectId, role },
    });
  }
  const admin = { id: 'user:cleo', name: 'Cleo' };
  const signedIn = await auth.sessions.start({ ...admin, roles: { default: 'Admin' } }, undefined);
  callers.push({
    label: 'Admin by cookie in default',
    headers: pageHeaders(auth, signedIn),
    principal: { kind: 'user', ...admin, projectId: 'default', role: 'Admin' },
  });
  return callers;
}

/** Every kind of credential that must not work, by what is wrong with it. */
export async function badCredentials(
  auth: Auth,
  database: Database,
  issuer: Issuer,
): Promise<Map<string, Headers>> {
  const good = await issuer.token({ sub: 'mallory', roles: ['Admin'] });
  const [head, , signature] = good.split('.');
  const claims = { sub: 'mallory', aud: 'api://holdfast', roles: ['Admin'], exp: 4e9 };
  const forged = Buffer.from(JSON.stringify(claims)).toString('base64url');
  const expired = await issuer.token({ sub: 'mallory', roles: ['Admin'] }, -60);
  const elsewhere = await issuer.token({ sub: 'mallory', roles: ['Admin'], aud: 'api://other' });
  const { token } = await auth.sessions.start({ ...ADMIN, roles: { default: 'Admin' } }, undefined);
  await auth.sessions.end(token);
  return new Map<string, Headers>([
    ['nothing', {}],
    ['an empty bearer', { authorization: 'Bearer ' }],
    ['a malformed token', bearer('x')],
    ['another scheme', { authorization: 'Basic am86cGFzcw==' }],
    ['a malformed key', bearer('hf_short')],
    ['an unknown key', bearer(`hf_${secret()}`)],
    ['an unknown client secret', bearer(`ek_${secret()}`)],
    ['a key for another service', { 'api-key': secret() }],
    ['an expired token', bearer(expired)],
    ['a token for another service', bearer(elsewhere)],
    ['a forged token', bearer(`${head}.${forged}.${signature}`)],
    ['a revoked key', bearer(await revokedKey(auth))],
    ['an expired key', { 'api-key': await expiredKey(auth, database) }],
    ['an expired client secret', bearer(await expiredSecret(auth))],
    ['a signed-out cookie', { cookie: `${auth.cookies.sessionName}=${token}` }],
  ]);
}

async function revokedKey(auth: Auth): Promise<string> {
  const { id, key } = await auth.apiKeys.create(ADMIN, { name: 'r', role: 'Admin' }, 'callers');
  await auth.apiKeys.revoke(ADMIN, id, 'callers');
  return key;
}

async function expiredKey(auth: Auth, database: Database): Promise<string> {
  const wanted = { name: 'e', role: 'Admin', expiresInDays: 1 } as const;
  const { id, key } = await auth.apiKeys.create(ADMIN, wanted, 'callers');
  await sql`update api_keys set expires_at = now() where id = ${id}`.execute(database.db);
  return key;
}

async function expiredSecret(auth: Auth): Promise<string> {
  const { value } = await auth.clientSecrets.mint(ADMIN, {
    ttlS: -1,
    maxSessions: 1,
    model: 'gpt-realtime',
    session: {},
    locked: [],
  });
  return value;
}
