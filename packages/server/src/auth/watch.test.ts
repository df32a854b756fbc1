import type { Role } from '@holdfast/protocol';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { captureTelemetry } from '../http/testing.ts';
import type { Database } from '../platform/database/index.ts';
import { openTestDatabase } from '../platform/database/testing.ts';
import type { Doorbell } from '../platform/doorbell/index.ts';
import { createProcessDoorbell } from '../platform/doorbell/testing.ts';
import type { Rights } from './principal.ts';
import { openTestAuth, principal, type TestAuth } from './testing/index.ts';
import { createWatch, type Watch } from './watch.ts';

let database: Database;
let test: TestAuth;
let watch: Watch;
beforeAll(async () => {
  database = await openTestDatabase();
  test = await openTestAuth(database);
});
afterAll(async () => {
  await test.close();
  await database.close();
});
afterEach(() => watch.stop?.());

const DEAF: Doorbell = { ...createProcessDoorbell(), onRing: () => () => {} };
const WITHIN_MS = { timeout: 5_000, interval: 20 };

/** Another process on the same database, which hears no ring unless it is given the bell. */
async function start(doorbell = DEAF) {
  const { telemetry } = await captureTelemetry();
  const { sessions } = test.auth;
  watch = createWatch({ database, doorbell, sessions, log: telemetry.log });
  await watch.start?.();
}

function follow(rights: Rights): (Role | null)[] {
  const roles: (Role | null)[] = [];
  watch.follow(rights, role => roles.push(role));
  return roles;
}

async function newKey(role: Role) {
  const { auth } = test;
  const { key } = await auth.apiKeys.create(principal('Admin'), { name: 'k', role }, 'r');
  return { key, rights: (await auth.apiKeys.verify(key))! };
}

describe('what is open on a right ends with it', () => {
  it('though no ring arrives: a revoked key, a sign-out, an expired key', async () => {
    await start();
    const { auth } = test;
    const [revoked, expired, kept] = [
      await newKey('Admin'),
      await newKey('Developer'),
      await newKey('Viewer'),
    ];
    const { token } = await auth.sessions.start(
      { id: 'user:ann', name: 'Ann', roles: { default: 'Developer' } },
      undefined,
    );
    const { basis } = (await auth.sessions.find(token))!;
    const signedIn: Rights = {
      ...principal('Developer', { id: 'user:ann' }),
      basis,
    };
    const heard = [revoked.rights, expired.rights, signedIn].map(follow);
    const never = [kept.rights, principal('Developer')].map(follow);
    await auth.apiKeys.revoke(principal('Admin'), revoked.rights.id, 'r');
    await auth.sessions.end(token);
    await sql`update api_keys set expires_at = now() where id = ${expired.rights.id}`.execute(
      database.db,
    );
    await vi.waitFor(() => expect(heard).toEqual([[null], [null], [null]]), WITHIN_MS);
    expect(never).toEqual([[], []]);
  });

  it('at once where the ring is heard', async () => {
    const doorbell = createProcessDoorbell();
    const other = await openTestAuth(database, {}, { doorbell });
    await start(doorbell);
    const { rights } = await newKey('Developer');
    const heard = follow(rights);
    await other.auth.apiKeys.revoke(principal('Admin'), rights.id, 'r');
    await vi.waitFor(() => expect(heard).toEqual([null]), { timeout: 1_000, interval: 10 });
    await other.close();
  });

  it('and so do the secrets and the tickets that were minted on it', async () => {
    await start();
    const { auth } = test;
    const person = { id: 'user:ann', name: 'Ann', roles: { default: 'Developer' } as const };
    const { token } = await auth.sessions.start(person, undefined);
    const { basis } = (await auth.sessions.find(token))!;
    const ann = principal('Developer', {
      id: 'user:ann',
      basis,
    });
    const mint = { ttlS: 60, maxSessions: 2, model: 'm', session: {}, locked: [] };
    const secret = await auth.clientSecrets.mint(ann, mint);
    const ticket = await auth.streamTickets.mint(ann, ['run_1']);
    const holder = (await auth.clientSecrets.verify(secret.value))!;
    expect(await auth.streamTickets.verify(ticket.value)).toMatchObject({ role: 'Developer' });
    const heard = follow(holder);
    await auth.sessions.end(token);
    expect(await auth.clientSecrets.verify(secret.value)).toBeUndefined();
    expect(await auth.clientSecrets.grantOf(secret.secretId)).toBeUndefined();
    expect(await auth.streamTickets.verify(ticket.value)).toBeUndefined();
    await vi.waitFor(() => expect(heard).toEqual([null]), WITHIN_MS);
  });

  it('stands while the database is away', async () => {
    const gone = await openTestDatabase();
    const { telemetry, lines } = await captureTelemetry();
    const { rights } = await newKey('Developer');
    const { sessions } = test.auth;
    watch = createWatch({ database: gone, doorbell: DEAF, sessions, log: telemetry.log });
    await watch.start?.();
    await gone.close();
    const heard = follow(rights);
    await vi.waitFor(
      () => expect(lines().some(line => line.event === 'rights.look_failed')).toBe(true),
      WITHIN_MS,
    );
    expect(heard).toEqual([]);
  });
});

describe('a local Admin whose sign-in ends', () => {
  it('is the local user again, a Developer', async () => {
    await start();
    const { auth } = test;
    const { token } = await auth.sessions.start(
      { id: 'local', name: 'Local user', roles: { default: 'Admin' } },
      undefined,
    );
    const { basis } = (await auth.sessions.find(token))!;
    const heard = follow({ id: 'local', projectId: 'default', role: 'Admin', basis });
    await auth.sessions.end(token);
    await vi.waitFor(() => expect(heard).toEqual(['Developer']), WITHIN_MS);
  });
});
