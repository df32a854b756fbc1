import { setTimeout as delay } from 'node:timers/promises';
import type { Role } from '@holdfast/protocol';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import { captureTelemetry } from '../http/testing.ts';
import type { Database } from '../platform/database/index.ts';
import { withDatabase } from '../platform/database/testing.ts';
import { createProcessRateLimiter } from '../platform/limits/index.ts';
import { randomMasterKey } from '../platform/log/testing.ts';
import { createSealer } from '../platform/secrets/index.ts';
import { API_KEYS_MAX, type ApiKeys, createApiKeys } from './api-keys.ts';
import { type Audit, createAudit, DENIALS, PENDING_MAX } from './audit.ts';
import { createClaimedRoles } from './claimed-roles.ts';
import { type ClientSecrets, createClientSecrets } from './client-secrets.ts';
import { CONSOLE_IDLE_S, type ConsoleSessions, createConsoleSessions } from './console-sessions.ts';
import { presentRole } from './present-roles.ts';
import { createProjects } from './projects.ts';
import { hashSecret } from './secrets.ts';
import { createStreamTickets } from './stream-tickets.ts';
import { FROZEN, principal } from './testing/index.ts';

const MINT = { ttlS: 60, maxSessions: 2, model: 'm', session: {}, locked: [] };

withDatabase(open => {
  let database: Database;
  let audit: Audit;
  let keys: ApiKeys;
  let secrets: ClientSecrets;
  let sessions: ConsoleSessions;
  beforeAll(async () => {
    database = await open();
    const { telemetry } = await captureTelemetry();
    audit = createAudit({
      database,
      limiter: createProcessRateLimiter({ clock: FROZEN }),
      telemetry,
    });
    keys = createApiKeys({ database, audit, maxDays: null, changed: () => {} });
    secrets = createClientSecrets(
      database,
      createSealer({ database, masterKeys: randomMasterKey() }),
    );
    const sealer = createSealer({ database, masterKeys: randomMasterKey() });
    const rest = { renewal: null, changed: () => {}, log: telemetry.log };
    sessions = createConsoleSessions({ database, sealer, ...rest });
    await createProjects(database).ensure(['sales']);
  });
  const run = (text: string) => sql.raw(text).execute(database.db);
  const admin = principal('Admin');

  describe('API keys', () => {
    it('do not work when unknown, malformed, expired or revoked', async () => {
      const { key, id } = await keys.create(admin, { name: 'k', role: 'Developer' }, 'r');
      expect((await keys.verify(key))?.id).toBe(id);
      for (const wrong of [
        '',
        'hf_',
        `${key}x`,
        key.slice(0, -1),
        key.replace('hf_', 'ek_'),
        hashSecret(key),
      ]) {
        expect(await keys.verify(wrong)).toBeUndefined();
      }
      await keys.revoke(admin, id, 'r');
      expect(await keys.verify(key)).toBeUndefined();
      const late = await keys.create(admin, { name: 'k', role: 'Viewer', expiresInDays: 1 }, 'r');
      expect(await keys.verify(late.key)).toMatchObject({ role: 'Viewer', kind: 'api_key' });
      await run(`update api_keys set expires_at = now() where id = '${late.id}'`);
      expect(await keys.verify(late.key)).toBeUndefined();
    });

    it('are revoked by Admins of their project only, client secrets included', async () => {
      const { key, id } = await keys.create(admin, { name: 'k', role: 'Developer' }, 'r');
      const machine = await keys.verify(key);
      const minted = await secrets.mint(machine!, MINT);
      const foreign = principal('Admin', { projectId: 'sales' });
      const absent = keys.revoke(admin, 'key_none', 'r').catch(error => error.detail);
      expect(await keys.revoke(foreign, id, 'r').catch(error => error.detail)).toBe(await absent);
      expect(await secrets.verify(minted.value)).toBeDefined();
      await keys.revoke(admin, id, 'r');
      await keys.revoke(admin, id, 'r');
      expect(await secrets.verify(minted.value)).toBeUndefined();
      expect((await keys.list(foreign, { limit: 10 })).data).toEqual([]);
    });

    it('keep only a hash, and show the key once', async () => {
      const created = await keys.create(admin, { name: 'k', role: 'Developer' }, 'r');
      const { rows } = await run('select row_to_json(api_keys)::text as row from api_keys');
      expect(JSON.stringify(rows)).not.toContain(created.key);
      const listed = await keys.list(admin, { limit: 1 });
      expect(listed.data[0]).toMatchObject({ id: created.id, prefix: created.key.slice(0, 9) });
      expect(JSON.stringify(listed)).not.toContain(created.key.slice(10));
    });

    it('note their use at most once a minute', async () => {
      const { key, id } = await keys.create(admin, { name: 'k', role: 'Developer' }, 'r');
      const used = async () =>
        (await keys.list(admin, { limit: 100 })).data.find(one => one.id === id)!.last_used_at;
      expect(await used()).toBeNull();
      await keys.verify(key);
      const first = await used();
      expect(first).not.toBeNull();
      await keys.verify(key);
      expect(await used()).toBe(first);
      await run(
        `update api_keys set last_used_at = now() - interval '61 seconds' where id = '${id}'`,
      );
      await keys.verify(key);
      expect(Date.parse((await used())!)).toBeGreaterThanOrEqual(Date.parse(first!));
    });

    it('are listed in pages', async () => {
      const by = principal('Admin', { projectId: 'sales' });
      const made = [];
      for (let count = 0; count < 3; count += 1) {
        made.unshift((await keys.create(by, { name: `k${count}`, role: 'Viewer' }, 'r')).id);
      }
      const first = await keys.list(by, { limit: 2 });
      const rest = await keys.list(by, { limit: 2, cursor: first.next_cursor! });
      expect([...first.data, ...rest.data].map(key => key.id)).toEqual(made);
      expect(rest.next_cursor).toBeNull();
    });

    it('are not made by a key that is over by the time the body of its request comes', async () => {
      const root = await keys.create(admin, { name: 'k', role: 'Admin', expiresInDays: 5 }, 'r');
      const letIn = (await keys.verify(root.key))!;
      const make = () => keys.create(letIn, { name: 'c', role: 'Admin' }, 'r');
      await make();
      await run(`update api_keys set expires_at = now() where id = '${root.id}'`);
      await expect(make()).rejects.toMatchObject({ code: 'unauthenticated' });
      await run(`update api_keys set expires_at = null where id = '${root.id}'`);
      await keys.revoke(admin, root.id, 'r');
      await expect(make()).rejects.toMatchObject({ code: 'unauthenticated' });
    });

    it('are revoked with a key below which one is made at the same moment', async () => {
      const root = await keys.create(admin, { name: 'k', role: 'Admin' }, 'r');
      const child = await keys.create(
        (await keys.verify(root.key))!,
        { name: 'c', role: 'Admin' },
        'r',
      );
      const by = (await keys.verify(child.key))!;
      const { promise: recording, resolve: isRecording } = Promise.withResolvers<void>();
      const { promise: going, resolve: goOn } = Promise.withResolvers<void>();
      const slow = createApiKeys({
        database,
        maxDays: null,
        changed: () => {},
        audit: {
          ...audit,
          async record(act, trx) {
            await audit.record(act, trx);
            isRecording();
            await going;
          },
        },
      });
      const making = slow.create(by, { name: 'g', role: 'Admin' }, 'r');
      await recording;
      const revoking = keys.revoke(admin, root.id, 'r');
      await delay(200);
      goOn();
      const grandchild = await making;
      await revoking;
      expect(await keys.verify(grandchild.key)).toBeUndefined();
    });

    it('end with the key that made them, and all they made in turn', async () => {
      const root = await keys.create(admin, { name: 'k', role: 'Admin', expiresInDays: 5 }, 'r');
      const child = await keys.create(
        (await keys.verify(root.key))!,
        { name: 'c', role: 'Admin' },
        'r',
      );
      const wanted = { name: 'g', role: 'Viewer', expiresInDays: 100 } as const;
      const grandchild = await keys.create((await keys.verify(child.key))!, wanted, 'r');
      const apart = await keys.create(admin, { name: 'a', role: 'Viewer' }, 'r');
      expect([child.expires_at, grandchild.expires_at]).toEqual([root.expires_at, root.expires_at]);
      const minted = await secrets.mint((await keys.verify(child.key))!, MINT);
      await keys.revoke(admin, root.id, 'r');
      for (const { key } of [root, child, grandchild])
        expect(await keys.verify(key)).toBeUndefined();
      expect(await secrets.verify(minted.value)).toBeUndefined();
      expect(await keys.verify(apart.key)).toBeDefined();
    });

    it('have no more rights than the person who made them has now', async () => {
      const claimed = createClaimedRoles(database, () => {});
      const says = (roles: Record<string, Role>, issuedAtS: number) =>
        claimed.note({ principalId: 'user:joe', source: 'sign_in', roles, issuedAtS });
      await says({ default: 'Admin', sales: 'Admin' }, 1000);
      const joe = principal('Admin', { id: 'user:joe', basis: { kind: 'console', id: 'con_1' } });
      const { key, id } = await keys.create(joe, { name: 'k', role: 'Developer' }, 'r');
      const role = async () => (await keys.verify(key))?.role;
      const present = () => presentRole(database.db, { ...joe, id, basis: { kind: 'key', id } });
      expect([await role(), await present()]).toEqual(['Developer', 'Developer']);
      await says({ default: 'Viewer', sales: 'Admin' }, 1001);
      expect([await role(), await present()]).toEqual(['Viewer', 'Viewer']);
      await says({ sales: 'Admin' }, 1002);
      expect([await role(), await present()]).toEqual([undefined, null]);
      await says({ default: 'Admin' }, 1003);
      expect(await role()).toBe('Developer');
    });

    it('from before origins were noted stay as they are', async () => {
      const root = await keys.create(admin, { name: 'k', role: 'Admin' }, 'r');
      const child = await keys.create(
        (await keys.verify(root.key))!,
        { name: 'c', role: 'Admin' },
        'r',
      );
      await run(`update api_keys set person_id = null, person_source = null
        where id = '${child.id}'`);
      await keys.revoke(admin, root.id, 'r');
      expect(await keys.verify(child.key)).toMatchObject({ role: 'Admin' });
    });

    it('carry their scopes, also into tickets', async () => {
      const wanted = { name: 'k', role: 'Admin', scopes: ['read'] } as const;
      const { key, scopes } = await keys.create(admin, wanted, 'r');
      const holder = (await keys.verify(key))!;
      expect([scopes, holder.scopes]).toEqual([['read'], ['read']]);
      const tickets = createStreamTickets(database);
      const { value } = await tickets.mint(holder, ['run_1']);
      expect((await tickets.verify(value))?.scopes).toEqual(['read']);
      const free = await keys.create(admin, { name: 'k', role: 'Admin' }, 'r');
      expect([free.scopes, (await keys.verify(free.key))?.scopes]).toEqual([null, undefined]);
    });

    it('live no longer than keys may', async () => {
      const capped = createApiKeys({ database, audit, maxDays: 30, changed: () => {} });
      const make = (expiresInDays?: number) =>
        capped.create(admin, { name: 'k', role: 'Viewer', expiresInDays }, 'r');
      await expect(make(31)).rejects.toMatchObject({ field: 'expires_in_days' });
      const days = async (made: ReturnType<typeof make>) =>
        Math.round((Date.parse((await made).expires_at!) - Date.now()) / 86_400_000);
      expect([await days(make(30)), await days(make()), await days(make(7))]).toEqual([30, 30, 7]);
      expect((await keys.create(admin, { name: 'k', role: 'Viewer' }, 'r')).expires_at).toBeNull();
    });

    it('are bounded for each project', async () => {
      await createProjects(database).ensure(['full']);
      await run(`insert into api_keys (id, project_id, name, role, key_hash, prefix, created_by)
        select 'key_' || n, 'full', 'k', 'Viewer', 'hash' || n, 'hf_', 'x'
        from generate_series(1, ${API_KEYS_MAX - 1}) n`);
      const by = principal('Admin', { projectId: 'full' });
      await keys.create(by, { name: 'last', role: 'Viewer' }, 'r');
      await expect(keys.create(by, { name: 'more', role: 'Viewer' }, 'r')).rejects.toThrow(
        'at most',
      );
      await keys.revoke(by, 'key_1', 'r');
      await keys.create(by, { name: 'more', role: 'Viewer' }, 'r');
    });
  });

  describe('client secrets', () => {
    it('are minted by Developers and Admins only', async () => {
      await expect(secrets.mint(principal('Viewer'), MINT)).rejects.toMatchObject({
        code: 'forbidden',
      });
      const minted = await secrets.mint(principal('Developer'), MINT);
      const holder = await secrets.verify(minted.value);
      await expect(secrets.mint(holder!, MINT)).rejects.toMatchObject({ code: 'forbidden' });
    });

    it('act for their creator, as a Developer at most, with what was fixed', async () => {
      const session = { instructions: 'Speak of whales.', audio: { output: { voice: 'marin' } } };
      const minted = await secrets.mint(admin, {
        ...MINT,
        session,
        locked: ['instructions', 'voice'],
      });
      expect(minted.value).toMatch(/^ek_[\w-]{43}$/);
      expect(minted.expiresAt.getTime() - Date.now()).toBeGreaterThan(50_000);
      expect(await secrets.verify(minted.value)).toEqual({
        kind: 'client_secret',
        id: admin.id,
        name: admin.name,
        projectId: 'default',
        role: 'Developer',
        grant: {
          secretId: minted.secretId,
          model: 'm',
          session,
          locked: ['instructions', 'voice'],
          maxSessions: 2,
          isOver: false,
        },
      });
      const { rows } = await run(
        `select secret_hash, encode(session_data, 'escape') as data from client_secrets`,
      );
      expect(JSON.stringify(rows)).not.toMatch(/whales|ek_/);
    });

    it('stop working when they expire, and are swept', async () => {
      const minted = await secrets.mint(admin, MINT);
      await run(`update client_secrets set expires_at = now() where id = '${minted.secretId}'`);
      expect(await secrets.verify(minted.value)).toBeUndefined();
      const consume = database.transaction(trx => secrets.consume(trx, minted.secretId, 3600));
      await expect(consume).rejects.toMatchObject({ code: 'unauthenticated' });
      expect(await secrets.sweep()).toBeGreaterThanOrEqual(1);
      expect(await secrets.verify('ek_')).toBeUndefined();
    });

    it('are good for what they opened for a quarter of an hour after its end', async () => {
      const minted = await secrets.mint(admin, MINT);
      await database.transaction(trx => secrets.consume(trx, minted.secretId, 3600));
      const set = (column: string, at: string) =>
        run(`update client_secrets set ${column} = ${at} where id = '${minted.secretId}'`);
      const { rows } = await run(`select extract(epoch from opened_until - now())::int as left_s
        from client_secrets where id = '${minted.secretId}'`);
      expect((rows[0] as { left_s: number }).left_s).toBeGreaterThan(3600 + 890);
      expect((await secrets.verify(minted.value))?.grant?.isOver).toBe(false);
      await set('expires_at', 'now()');
      expect((await secrets.verify(minted.value))?.grant?.isOver).toBe(true);
      expect(await secrets.grantOf(minted.secretId)).toBeUndefined();
      await secrets.sweep();
      expect(await secrets.verify(minted.value)).toBeDefined();
      await set('opened_until', 'now()');
      expect(await secrets.verify(minted.value)).toBeUndefined();
      expect(await secrets.sweep()).toBeGreaterThanOrEqual(1);
    });

    it('say that they are used up', async () => {
      for (const [maxSessions, said] of [
        [1, /has opened the one session that it was made for/],
        [2, /has opened all 2 sessions that it was made for/],
      ] as const) {
        const minted = await secrets.mint(admin, { ...MINT, maxSessions });
        const consume = () =>
          database.transaction(trx => secrets.consume(trx, minted.secretId, 3600));
        for (let n = 0; n < maxSessions; n++) await consume();
        await expect(consume()).rejects.toMatchObject({ code: 'unauthenticated', detail: said });
      }
    });

    it('open exactly as many sessions as they may, however many race', async () => {
      const minted = await secrets.mint(admin, { ...MINT, maxSessions: 3 });
      const tries = Array.from({ length: 12 }, () =>
        database
          .transaction(trx => secrets.consume(trx, minted.secretId, 3600))
          .then(
            () => 'ok',
            error => error.code as string,
          ),
      );
      const outcomes = await Promise.all(tries);
      expect(outcomes.filter(one => one === 'ok')).toHaveLength(3);
      expect(new Set(outcomes)).toEqual(new Set(['ok', 'unauthenticated']));
      expect(await secrets.verify(minted.value)).toBeDefined();
    });

    it('give the session back when its transaction fails', async () => {
      const minted = await secrets.mint(admin, { ...MINT, maxSessions: 1 });
      const failing = database.transaction(async trx => {
        await secrets.consume(trx, minted.secretId, 3600);
        throw new Error('later');
      });
      await expect(failing).rejects.toThrow('later');
      await database.transaction(trx => secrets.consume(trx, minted.secretId, 3600));
    });
  });

  describe('console sessions', () => {
    const person = { id: 'user:1', name: 'Ann', roles: { default: 'Admin' } as const };

    it('end by sign-out, by a new sign-in, by age and by idleness', async () => {
      const { token: first } = await sessions.start(person, undefined);
      expect(await sessions.find(first)).toMatchObject(person);
      const { token: second } = await sessions.start(person, first);
      expect(await sessions.find(first)).toBeUndefined();
      await sessions.end(second);
      expect(await sessions.find(second)).toBeUndefined();
      const hash = (token: string) => `where token_hash = '${hashSecret(token)}'`;
      const { token: old } = await sessions.start(person, undefined);
      await run(`update console_sessions set expires_at = now() ${hash(old)}`);
      expect(await sessions.find(old)).toBeUndefined();
      const { token: idle } = await sessions.start(person, undefined);
      const back = (seconds: number) => {
        const seen = `now() - interval '${seconds} s'`;
        return run(`update console_sessions set last_seen_at = ${seen} ${hash(idle)}`);
      };
      await back(CONSOLE_IDLE_S - 10);
      expect(await sessions.find(idle)).toMatchObject(person);
      await back(CONSOLE_IDLE_S);
      expect(await sessions.find(idle)).toBeUndefined();
      expect(await sessions.sweep()).toBe(2);
      const { rows } = await run(
        'select row_to_json(console_sessions)::text as row from console_sessions',
      );
      expect(JSON.stringify(rows)).not.toContain(idle);
    });

    it('are extended by use', async () => {
      const { token } = await sessions.start(person, undefined);
      const seen = async () => {
        const { rows } = await run(
          `select last_seen_at > now() - interval '10 s' as fresh
          from console_sessions where token_hash = '${hashSecret(token)}'`,
        );
        return (rows[0] as { fresh: boolean }).fresh;
      };
      await run(`update console_sessions set last_seen_at = now() - interval '5 minutes'`);
      expect(await seen()).toBe(false);
      await sessions.find(token);
      expect(await seen()).toBe(true);
    });
  });

  describe('the audit log', () => {
    const denial = (projectId: string | null, reason = 'no') => ({
      principal: 'user:1',
      projectId,
      action: 'keys.manage',
      reason,
      requestId: 'r',
    });

    it('shows a project its own rows, and the default one those without a project', async () => {
      await run('delete from audit_log');
      for (const project of ['default', 'sales', null]) audit.denied(denial(project));
      await audit.flush();
      const projects = async (id: string) =>
        (await audit.list(id, { limit: 10 })).data.map(row => row.project_id).toSorted();
      expect(await projects('sales')).toEqual(['sales']);
      expect(await projects('default')).toEqual(['default', null]);
      expect(await projects('other')).toEqual([]);
    });

    it('is read in pages, newest first, and swept by age', async () => {
      await run('delete from audit_log');
      for (const action of ['a', 'b', 'c']) {
        await audit.record({ ...denial('sales'), action, outcome: 'allowed' });
      }
      const first = await audit.list('sales', { limit: 2 });
      const rest = await audit.list('sales', { limit: 2, cursor: first.next_cursor! });
      expect([...first.data, ...rest.data].map(row => row.action)).toEqual(['c', 'b', 'a']);
      await run(`update audit_log set created_at = now() - interval '31 days' where action = 'a'`);
      expect(await audit.sweep(30)).toBe(1);
    });

    it('cuts long texts', async () => {
      audit.denied(denial('long', 'x'.repeat(5000)));
      await audit.flush();
      const { data } = await audit.list('long', { limit: 1 });
      expect(data[0]!.reason).toHaveLength(300);
    });

    it('keeps room for the known whatever strangers do', async () => {
      await run('delete from audit_log');
      const { telemetry } = await captureTelemetry();
      const limiter = createProcessRateLimiter({ clock: FROZEN });
      const small = createAudit({ database, limiter, telemetry });
      for (let round = 0; round < 3; round += 1) {
        for (let count = 0; count < PENDING_MAX + 5; count += 1) {
          small.denied({ ...denial(null), principal: 'anonymous' });
        }
        small.denied({ ...denial('apart'), principal: `key_${round}` });
        await small.flush();
      }
      expect((await small.list('apart', { limit: 10 })).data).toHaveLength(3);
    });

    it('bounds denials, at once and in a minute, and counts the rest', async () => {
      await run('delete from audit_log');
      const { telemetry } = await captureTelemetry();
      const small = createAudit({
        database,
        limiter: createProcessRateLimiter({ clock: FROZEN }),
        telemetry,
      });
      for (let count = 0; count < PENDING_MAX + 10; count += 1) small.denied(denial('flood'));
      await small.flush();
      for (let count = 0; count < 50; count += 1) small.denied(denial('flood'));
      await small.flush();
      const { rows } = await run(
        `select count(*)::int as n from audit_log where project_id = 'flood'`,
      );
      expect(rows).toEqual([{ n: DENIALS.burst }]);
      const dropped = PENDING_MAX + 10 + 50 - DENIALS.burst;
      expect(await telemetry.prometheus()).toContain(`holdfast_audit_dropped_total ${dropped}`);
    });
  });
});
