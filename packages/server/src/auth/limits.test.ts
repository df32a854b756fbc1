import type { LimitList } from '@holdfast/protocol';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../kernel/index.ts';
import type { Database } from '../platform/database/index.ts';
import { openTestDatabase } from '../platform/database/testing.ts';
import type { LimitDefaults } from './limits.ts';
import { FROZEN, openTestAuth, principal, type TestAuth } from './testing/index.ts';

const DEFAULTS: LimitDefaults = {
  person: { maxSessions: 5, rate: { perMinute: 60, burst: 2 } },
  key: { maxSessions: 100, rate: { perMinute: 600, burst: 4 } },
  project: { maxSessions: null, rate: null },
};

let database: Database;
let test: TestAuth;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());
afterEach(async () => {
  await test.close();
  await sql`delete from limits`.execute(database.db);
});

async function open(limits: Partial<LimitDefaults> = {}): Promise<void> {
  test = await openTestAuth(database, { limits: { ...DEFAULTS, ...limits } });
  test.app.post('/write', { config: { policy: 'me.read' } }, async () => ({}));
  await test.auth.projects.ensure(['other']);
}

async function key(role: 'Viewer' | 'Developer' | 'Admin', projectId = 'default') {
  const by = principal('Admin', { projectId });
  const { key: value, id } = await test.auth.apiKeys.create(by, { name: role, role }, 'r');
  return { id, headers: { host: 'localhost:8080', authorization: `Bearer ${value}` } };
}

const local = { host: 'localhost:8080' };
const write = (headers: Record<string, string>) =>
  test.app.inject({ method: 'POST', url: '/write', headers });
async function statuses(headers: Record<string, string>, count: number): Promise<number[]> {
  const found: number[] = [];
  for (let n = 0; n < count; n++) found.push((await write(headers)).statusCode);
  return found;
}
const put = (headers: Record<string, string>, payload: object) =>
  test.app.inject({ method: 'PUT', url: '/v1/limits', headers, payload });
const list = async (headers: Record<string, string>) =>
  (await test.app.inject({ url: '/v1/limits', headers })).json() as LimitList;
const limitsOf = (id: string, projectId = 'default') => test.auth.limits.of({ id, projectId });

describe('limits', () => {
  it('are set by Admins only, for their own project and its keys', async () => {
    await open({ key: { maxSessions: 100, rate: { perMinute: 600, burst: 100 } } });
    const [viewer, developer, admin, stranger] = [
      await key('Viewer'),
      await key('Developer'),
      await key('Admin'),
      await key('Admin', 'other'),
    ];
    const wanted = { subject: developer.id, max_sessions: 40 };
    for (const { headers } of [viewer, developer]) {
      expect((await put(headers, wanted)).statusCode).toBe(403);
    }
    expect((await put(stranger.headers, wanted)).statusCode).toBe(404);
    expect((await put(admin.headers, { ...wanted, subject: newId('key') })).statusCode).toBe(404);
    for (const wrong of [
      { subject: 'project:other', max_sessions: 1 },
      { subject: 'project', max_sessions: 0 },
      { subject: 'project', requests_per_minute: 1_000_001 },
    ]) {
      expect((await put(admin.headers, wrong)).statusCode).toBe(400);
    }
    expect((await list(viewer.headers)).data).toEqual([]);
    const set = await put(admin.headers, wanted);
    expect(set.json()).toMatchObject({ ...wanted, request_burst: null, updated_by: admin.id });
    expect((await list(viewer.headers)).data).toMatchObject([wanted]);
    expect((await list(stranger.headers)).data).toEqual([]);
    const { data } = await test.auth.audit.list('default', { limit: 1 });
    expect(data).toMatchObject([{ action: 'limits.set', target: developer.id }]);
  });

  it('are wider for a key than for a person, as the settings say', async () => {
    await open();
    const { id, headers } = await key('Developer');
    expect(await limitsOf(id)).toMatchObject({ own: DEFAULTS.key, project: DEFAULTS.project });
    expect(await limitsOf('user:ann')).toMatchObject({ own: DEFAULTS.person });
    expect(await statuses(local, 3)).toEqual([200, 200, 429]);
    expect(await statuses(headers, 5)).toEqual([200, 200, 200, 200, 429]);
    const { defaults } = await list(headers);
    expect(defaults).toEqual({
      person: { max_sessions: 5, requests_per_minute: 60, request_burst: 2 },
      key: { max_sessions: 100, requests_per_minute: 600, request_burst: 4 },
      project: { max_sessions: null, requests_per_minute: null, request_burst: null },
    });
  });

  it('answer which one it is, and when to come again', async () => {
    await open();
    const { headers } = await key('Developer');
    await statuses(headers, 4);
    const refused = await write(headers);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.json().detail).toBe(
      'Too many requests: this API key may send 600 a minute, 4 of them at once. ' +
        'The next one is possible in 1 s.',
    );
    await statuses(local, 2);
    expect((await write(local)).json().detail).toMatch(/: you may send 60 a minute, 2 of them at/);
  });

  it('of one key hold at once, and until they are taken back', async () => {
    await open();
    const [one, two, admin] = [await key('Developer'), await key('Developer'), await key('Admin')];
    await limitsOf(one.id);
    await put(admin.headers, { subject: one.id, max_sessions: 7, request_burst: 1 });
    expect(await limitsOf(one.id)).toMatchObject({
      own: { maxSessions: 7, rate: { perMinute: 600, burst: 1 } },
    });
    expect(await statuses(one.headers, 2)).toEqual([200, 429]);
    expect(await statuses(two.headers, 2)).toEqual([200, 200]);
    await put(admin.headers, { subject: one.id });
    expect(await limitsOf(one.id)).toMatchObject({ own: DEFAULTS.key });
    expect((await list(admin.headers)).data).toEqual([]);
  });

  it('of a project count what all its callers do', async () => {
    await open({ project: { maxSessions: 9, rate: { perMinute: 60, burst: 3 } } });
    const [one, two] = [await key('Developer', 'other'), await key('Developer', 'other')];
    expect(await limitsOf('user:ann', 'other')).toMatchObject({ project: { maxSessions: 9 } });
    expect([await statuses(one.headers, 2), await statuses(two.headers, 2)]).toEqual([
      [200, 200],
      [200, 429],
    ]);
    expect((await write(one.headers)).json().detail).toMatch(/^Too many requests: this project/);
    const admin = await key('Admin');
    expect((await write(admin.headers)).statusCode).toBe(200);
    await put(admin.headers, { subject: 'project', requests_per_minute: 30, request_burst: 30 });
    const { project } = await limitsOf('user:ann');
    expect(project).toEqual({ maxSessions: 9, rate: { perMinute: 30, burst: 30 } });
  });

  it('hold on other replicas a few seconds later, and go on without a database', async () => {
    let nowMs = 0;
    const clock = { ...FROZEN, monotonicMs: () => nowMs };
    let isAway = false;
    const flaky = new Proxy(database, {
      get: (target, name) => {
        if (name === 'db' && isAway) throw new Error('away');
        const value = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    test = await openTestAuth(flaky, { limits: DEFAULTS }, { clock });
    const { id } = await key('Developer');
    const { own } = await limitsOf(id);
    await sql`insert into limits (subject, project_id, max_sessions, updated_by)
      values (${id}, 'default', 3, 'elsewhere')`.execute(database.db);
    expect((await limitsOf(id)).own).toEqual(own);
    nowMs += 5_001;
    expect((await limitsOf(id)).own.maxSessions).toBe(3);
    isAway = true;
    nowMs += 5_001;
    expect((await limitsOf(id)).own).toEqual(DEFAULTS.key);
    isAway = false;
  });
});
