import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Principal } from '../auth/index.ts';
import { fixedLimits } from '../auth/testing/index.ts';
import { newId, systemClock } from '../kernel/index.ts';
import { createModels, createVoiceAccounts, defaultCatalogue } from '../models/index.ts';
import type { Database } from '../platform/database/index.ts';
import { withDatabase } from '../platform/database/testing.ts';
import { createLeases, type Leases } from '../platform/leases/index.ts';
import { openTestLog, recordTelemetry } from '../platform/log/testing.ts';
import { createMetrics } from './metrics.ts';
import { type AdmissionDeps, mintSession, openSession } from './open-session.ts';
import { totalsOf } from './present.ts';
import * as queries from './queries.ts';
import { createSessions, type Sessions } from './service.ts';
import * as store from './store.ts';
import { SessionSweep } from './sweep.ts';
import { connectSession, transition } from './transitions.ts';
import { noUsage } from './usage.ts';

const person = (role: Principal['role'] = 'Developer', projectId = 'default'): Principal => {
  const id = newId('evt');
  return { kind: 'user', id, name: id, projectId, role };
};

interface Bench {
  deps: AdmissionDeps;
  sessions: Sessions;
  erased: string[];
  audited: unknown[];
  rung: string[];
  /** Calls that no replica holds and that were hung up. */
  hungUp: string[];
  sweep: (options?: { registered?: string[]; retentionMs?: number }) => Promise<void>;
  /** A second replica on the same database. */
  leases: Leases;
}

async function open(database: Database): Promise<Bench> {
  const models = createModels({
    catalogue: defaultCatalogue({ provider: 'openai', auth: 'none' }),
    credentials: { secret: async () => undefined },
  });
  const telemetry = await recordTelemetry();
  const { log } = openTestLog(database, { telemetry });
  const leases = createLeases({ database, revision: 'r1', roles: ['gateway'] });
  await leases.start();
  const erased: string[] = [];
  const audited: unknown[] = [];
  const rung: string[] = [];
  const hungUp: string[] = [];
  const deps = {
    database,
    log,
    leases,
    telemetry,
    metrics: createMetrics(telemetry.meter, []),
    reconnectWindowMs: 0,
    revision: 'r1',
    limits: fixedLimits({ maxSessions: 5 }),
    maxSessionMs: 3_600_000,
    clientSecrets: {
      mint: () => Promise.reject(new Error('not here')),
      consume: async () => {},
      grantOf: async () => undefined,
    },
    recordings: {
      totals: async () => new Map(),
      eraseSession: async (_trx: unknown, id: string) => void erased.push(id),
      purge: async () => 0,
    },
    audit: { record: async (record: unknown) => void audited.push(record) },
    ringReplica: (replica: string) => void rung.push(replica),
    hangUpOrphan: async (row: { id: string }) => void hungUp.push(row.id),
    accounts: createVoiceAccounts({ database, telemetry, clock: systemClock, models }),
  };
  const sessions = createSessions(deps);
  const sweep = ({
    registered = [] as string[],
    retentionMs = undefined as number | undefined,
  } = {}) =>
    new SessionSweep({
      blobs: { delete: async () => true },
      deps,
      registry: { has: (id: string) => registered.includes(id) },
      sessions,
      takeOver: async () => false,
      retentionMs: retentionMs ?? null,
    }).sweep();
  return { deps, sessions, erased, audited, rung, hungUp, leases, sweep };
}

const request = (principal: Principal, change: Record<string, unknown> = {}) => ({
  principal,
  model: 'gpt-realtime',
  transport: 'websocket' as const,
  protocol: 'ga' as const,
  config: { instructions: 'Be brief.', audio: { output: { voice: 'alloy' } } },
  ...change,
});

const actor = 'replica:test';

withDatabase(openDatabase => {
  let database: Database;
  let bench: Bench;
  const admit = (principal: Principal, change = {}) =>
    openSession(bench.deps, request(principal, change));
  const connected = async (
    principal: Principal,
    transport: 'websocket' | 'webrtc' = 'websocket',
  ) => {
    const opened = await admit(principal, { transport });
    await connectSession(bench.deps, { lease: opened.lease, transport, protocol: 'ga' });
    return opened;
  };
  const state = async (id: string) => (await queries.find(database.db, id))?.state;
  const types = async (id: string) =>
    (
      await bench.deps.log.read(database.db, {
        subject: id,
        after: 0,
        limit: 99,
        includePrivate: true,
      })
    ).map(event => event.type);
  const shift = (id: string, column: string, seconds: number) =>
    sql`update sessions set ${sql.ref(column)} = now() + ${seconds} * interval '1 second'
        where id = ${id}`.execute(database.db);

  beforeAll(async () => {
    database = await openDatabase();
    bench = await open(database);
  });

  describe('admission', () => {
    it('takes five places and refuses the sixth, until one is free', async () => {
      const ann = person();
      const opened = [];
      for (let i = 0; i < 5; i++) opened.push(await admit(ann));
      const sixth = admit(ann);
      await expect(sixth).rejects.toMatchObject({ code: 'session_limit', retryAfterS: 10 });
      await admit(person());
      const { lease } = opened[0]!;
      const input = { type: 'fail' as const, reason: 'upstream_error' };
      await transition(bench.deps, lease.subject, input, { actor, lease });
      await admit(ann);
    });

    it('leaves nothing behind when it refuses', async () => {
      const ann = person();
      for (let i = 0; i < 5; i++) await admit(ann);
      await admit(ann).catch(() => {});
      const rows = await queries.list(database.db, {
        projectId: 'default',
        createdBy: ann.id,
        limit: 9,
      });
      expect(rows).toHaveLength(5);
    });

    it('does not count what was only minted', async () => {
      const ann = person();
      for (let i = 0; i < 7; i++) await mint(ann);
      expect(await store.countPlaces(database.db, { created_by: ann.id })).toBe(0);
      for (let i = 0; i < 5; i++) await admit(ann);
    });

    it('lets a place go at the end of its window, sweep or not', async () => {
      const ann = person();
      const { lease } = await connected(ann);
      const deps = { ...bench.deps, reconnectWindowMs: 60_000 };
      await transition(
        deps,
        lease.subject,
        { type: 'lose', reason: 'client_lost' },
        { actor, lease },
      );
      expect(await state(lease.subject)).toBe('disconnected');
      expect(await store.countPlaces(database.db, { created_by: ann.id })).toBe(1);
      await shift(lease.subject, 'reconnect_until', -1);
      expect(await store.countPlaces(database.db, { created_by: ann.id })).toBe(0);
    });

    it('admits the session that was minted with a secret, once', async () => {
      const ann = person();
      const secretId = newId('sec');
      const minted = await mint(ann, secretId);
      const grant = { secretId, model: 'gpt-realtime', session: {}, locked: [], isOver: false };
      const secretCaller: Principal = { ...ann, kind: 'client_secret', grant };
      const { row } = await admit(secretCaller, { transport: 'webrtc' });
      expect(row).toMatchObject({ id: minted.id, holds_place: true, transport: 'webrtc' });
      expect(row.call_id).toMatch(/^rtc_/);
      const again = await admit(secretCaller);
      expect(again.row.id).not.toBe(minted.id);
      await expect(admit(secretCaller, { sessionId: minted.id })).rejects.toMatchObject({
        code: 'conflict',
      });
    });
  });

  const mint = (principal: Principal, secretId: string = newId('sec')) =>
    database.transaction(trx =>
      mintSession(bench.deps, trx, {
        principal,
        model: 'gpt-realtime',
        config: {},
        secretId,
        label: null,
        locked: [],
        expiresInMs: 60_000,
      }),
    );

  describe('a transition', () => {
    it('writes row and log together', async () => {
      const { lease } = await connected(person());
      const id = lease.subject;
      await transition(bench.deps, id, { type: 'end', reason: 'client_closed' }, { actor, lease });
      expect(await types(id)).toEqual(['session.created', 'session.connected', 'session.ended']);
      expect(await queries.find(database.db, id)).toMatchObject({
        state: 'ended',
        holds_place: false,
        close_reason: 'client_closed',
        last_seq: 3,
      });
    });

    it('expires a lost session at once while the window is 0, and keeps its reason', async () => {
      const { lease } = await connected(person());
      const id = lease.subject;
      const input = { type: 'lose' as const, reason: 'client_lost' as const };
      await transition(bench.deps, id, input, { actor, lease, close: { code: 1006 } });
      expect(await types(id)).toEqual([
        'session.created',
        'session.connected',
        'session.disconnected',
        'session.expired',
      ]);
      expect(await queries.find(database.db, id)).toMatchObject({
        state: 'expired',
        close_reason: 'client_lost',
        close_code: 1006,
      });
    });

    it('leaves a drained session disconnected, for the sweep', async () => {
      const { lease } = await connected(person());
      const id = lease.subject;
      await transition(bench.deps, id, { type: 'lose', reason: 'drain' }, { actor, lease });
      expect(await queries.find(database.db, id)).toMatchObject({
        state: 'disconnected',
        close_reason: 'drain',
      });
      await bench.sweep();
      expect(await queries.find(database.db, id)).toMatchObject({
        state: 'expired',
        close_reason: 'drain',
      });
    });

    it('does nothing twice', async () => {
      const { lease } = await connected(person());
      const id = lease.subject;
      const input = { type: 'end' as const, reason: 'client_closed' as const };
      await transition(bench.deps, id, input, { actor, lease });
      const again = await transition(bench.deps, id, input, { actor, lease });
      expect(again?.to).toBeNull();
      expect(await types(id)).toHaveLength(3);
    });

    it('refuses a replica whose lease was taken', async () => {
      const { lease } = await connected(person());
      const stale = { ...lease, fence: lease.fence - 1 };
      const input = { type: 'end' as const, reason: 'client_closed' as const };
      await expect(
        transition(bench.deps, lease.subject, input, { actor, lease: stale }),
      ).rejects.toMatchObject({ code: 'conflict' });
      expect(await state(lease.subject)).toBe('connected');
    });

    it('does not connect what has ended meanwhile', async () => {
      const ann = person();
      const { lease } = await admit(ann);
      await bench.sessions.end({ principal: ann, requestId: 'r' }, lease.subject);
      const connection = { lease, transport: 'websocket' as const, protocol: 'ga' as const };
      expect(await connectSession(bench.deps, connection)).toBe(false);
    });

    it('writes usage and activity of many sessions at once, as totals', async () => {
      const [one, two] = [await connected(person()), await connected(person())];
      const usage = { ...noUsage(), responses: 2, transcription_seconds: 1.5 };
      const none = { usage: noUsage(), costUsd: 0, unpriced: [], unreported: 0 };
      const totals = { usage, costUsd: 0.0322, unpriced: ['a,b'], unreported: 3 };
      const facts = [
        { id: one.lease.subject, idleMs: 0, totals },
        { id: two.lease.subject, idleMs: 5_000, totals: none },
      ];
      const { replica } = bench.leases;
      for (let i = 0; i < 2; i++) await store.writeActivity(database.db, replica, facts);
      await store.writeActivity(database.db, 'rep_other', [{ ...facts[0]!, totals: none }]);
      const row = await queries.find(database.db, one.lease.subject);
      expect(totalsOf(row!)).toEqual(totals);
    });
  });

  describe('sweep', () => {
    it('expires what was minted and never came', async () => {
      const { id } = await mint(person());
      await bench.sweep();
      expect(await state(id)).toBe('created');
      await shift(id, 'expires_at', -1);
      await bench.sweep();
      expect(await queries.find(database.db, id)).toMatchObject({
        state: 'expired',
        close_reason: 'never_connected',
      });
    });

    it('orders the replica that holds a session to end it when its time is over', async () => {
      const { lease } = await connected(person());
      await shift(lease.subject, 'expires_at', -5);
      await bench.sweep();
      expect(await state(lease.subject)).toBe('connected');
      await shift(lease.subject, 'expires_at', -11);
      await bench.sweep({ registered: [lease.subject] });
      expect(await state(lease.subject)).toBe('expired');
      const orders = await queries.orders(database.db, bench.leases.replica, 99);
      expect(orders).toContainEqual(expect.objectContaining({ id: lease.subject, control: 'end' }));
      await store.clearControl(database.db, lease.subject);
    });

    it('hangs up a call whose replica died before it could', async () => {
      const dead = createLeases({ database, revision: 'r1', roles: ['gateway'] });
      await dead.start();
      const ann = person();
      const deps = { ...bench.deps, leases: dead };
      const { lease } = await openSession(deps, request(ann, { transport: 'webrtc' }));
      await connectSession(deps, { lease, transport: 'webrtc', protocol: 'ga' });
      await bench.sessions.end({ principal: ann, requestId: 'r' }, lease.subject);
      await bench.sweep();
      expect(bench.hungUp).not.toContain(lease.subject);
      await dead.stop();
      await bench.sweep();
      expect(bench.hungUp).toContain(lease.subject);
    });

    it('loses the sessions of a dead replica', async () => {
      const dead = createLeases({ database, revision: 'r1', roles: ['gateway'] });
      await dead.start();
      const deps = { ...bench.deps, leases: dead };
      const { lease } = await openSession(deps, request(person()));
      const connection = { lease, transport: 'websocket' as const, protocol: 'ga' as const };
      await connectSession(deps, connection);
      const half = await openSession(deps, request(person()));
      await bench.sweep();
      expect(await state(lease.subject)).toBe('connected');
      await dead.stop();
      await bench.sweep();
      expect(await types(lease.subject)).toEqual([
        'session.created',
        'session.connected',
        'session.disconnected',
        'session.expired',
      ]);
      expect(await state(half.lease.subject)).toBe('expired');
      // What the dead one still wants to write is refused.
      const late = { type: 'end' as const, reason: 'client_closed' as const };
      const moved = await transition(deps, lease.subject, late, { actor, lease });
      expect(moved?.to).toBeNull();
    });

    it('finds rows that name this process and that it does not hold', async () => {
      const [forgotten, held] = [await connected(person()), await connected(person())];
      for (const { lease } of [forgotten, held]) await shift(lease.subject, 'created_at', -61);
      await bench.sweep({ registered: [held.lease.subject] });
      expect(await state(forgotten.lease.subject)).toBe('expired');
      expect(await state(held.lease.subject)).toBe('connected');
    });

    it('erases what is older than its retention', async () => {
      const { lease } = await connected(person());
      const id = lease.subject;
      await transition(bench.deps, id, { type: 'end', reason: 'client_closed' }, { actor, lease });
      await bench.sweep({ retentionMs: 3_600_000 });
      expect(await state(id)).toBe('ended');
      await shift(id, 'ended_at', -3_601);
      await bench.sweep({ retentionMs: 3_600_000 });
      expect(await state(id)).toBeUndefined();
      expect(bench.erased).toContain(id);
      expect(await bench.deps.log.subject(database.db, id)).toMatchObject({
        erasedAt: expect.any(Date),
      });
    });
  });

  describe('verbs', () => {
    const caller = (principal: Principal) => ({ principal, requestId: 'req_1' });

    it('answers the same for absent, foreign and malformed', async () => {
      const { lease } = await admit(person());
      const stranger = person('Admin', 'prj_other');
      const answers = [];
      for (const id of [lease.subject, newId('ses'), 'nonsense']) {
        for (const verb of [
          () => bench.sessions.get(caller(stranger), id),
          () => bench.sessions.events(caller(stranger), id, { after: 0, limit: 9 }),
          () => bench.sessions.end(caller(stranger), id),
          () => bench.sessions.erase(caller(stranger), id),
        ]) {
          const error = await verb().catch((thrown: unknown) => thrown);
          answers.push(`${(error as { code: string }).code}: ${(error as Error).message}`);
        }
      }
      expect(new Set(answers)).toEqual(new Set([expect.stringMatching(/^not_found/)]));
    });

    it('keeps a colleague from ending, and shows no private field', async () => {
      const ann = person();
      const { lease } = await connected(ann);
      const bob = person();
      await expect(bench.sessions.end(caller(bob), lease.subject)).rejects.toMatchObject({
        code: 'forbidden',
      });
      const page = { after: 0, limit: 9 };
      const [shown] = await bench.sessions.events(caller(bob), lease.subject, page);
      expect(shown).toMatchObject({ type: 'session.created', redacted: true });
      expect(shown?.data).not.toHaveProperty('instructions');
      const [own] = await bench.sessions.events(caller(ann), lease.subject, page);
      expect(own?.data).toMatchObject({ instructions: 'Be brief.' });
      const record = { action: 'sessions.events', target: lease.subject };
      expect(bench.audited).not.toContainEqual(expect.objectContaining(record));
      const admin = person('Admin');
      await bench.sessions.events(caller(admin), lease.subject, page);
      expect(bench.audited).toContainEqual(
        expect.objectContaining({ ...record, principal: admin.id, requestId: 'req_1' }),
      );
    });

    it('ends at once, orders the replica to end it, and records an Admin', async () => {
      const ann = person();
      const { lease } = await connected(ann);
      const admin = person('Admin');
      const ended = await bench.sessions.end(caller(admin), lease.subject);
      expect(ended).toMatchObject({ state: 'ended', close_reason: 'end_requested' });
      expect(await store.countPlaces(database.db, { created_by: ann.id })).toBe(0);
      expect(bench.rung).toContain(bench.leases.replica);
      expect(bench.audited).toContainEqual(
        expect.objectContaining({ action: 'sessions.end', target: lease.subject }),
      );
      const orders = await queries.orders(database.db, bench.leases.replica, 99);
      expect(orders).toContainEqual(expect.objectContaining({ id: lease.subject, control: 'end' }));
      expect(await bench.sessions.end(caller(ann), lease.subject)).toMatchObject({
        state: 'ended',
      });
    });

    it('erases to a tombstone', async () => {
      const ann = person();
      const { lease } = await connected(ann);
      await bench.sessions.erase(caller(ann), lease.subject);
      await expect(bench.sessions.get(caller(ann), lease.subject)).rejects.toMatchObject({
        code: 'not_found',
      });
      expect(await store.countPlaces(database.db, { created_by: ann.id })).toBe(0);
      expect(bench.erased).toContain(lease.subject);
      const late = bench.deps.log.appendNow({
        subject: lease.subject,
        actor,
        appendId: '019a0000-0000-7000-8000-000000000000',
        events: [{ type: 'journal.dropped', data: { count: 1 } }],
      });
      await expect(late).rejects.toMatchObject({ code: 'gone' });
    });

    it('pages through a list, newest first, and filters it', async () => {
      const ann = person();
      const ids = [];
      for (let i = 0; i < 5; i++) ids.unshift((await connected(ann)).lease.subject);
      await bench.sessions.end(caller(ann), ids[4]!);
      const query = { limit: 2, createdBy: 'me' };
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await bench.sessions.list(ann, { ...query, cursor });
        seen.push(...page.data.map(session => session.id));
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      expect(seen).toEqual(ids);
      const active = await bench.sessions.list(ann, { limit: 9, createdBy: 'me', active: true });
      expect(active.data.map(session => session.id)).toEqual(ids.slice(0, 4));
      const ended = await bench.sessions.list(ann, { limit: 9, createdBy: 'me', state: 'ended' });
      expect(ended.data).toHaveLength(1);
      await expect(
        bench.sessions.list(ann, { limit: 9, createdBy: 'somebody' }),
      ).rejects.toMatchObject({ code: 'forbidden' });
      await expect(
        bench.sessions.list(ann, { limit: 9, cursor: 'bm9uc2Vuc2U' }),
      ).rejects.toMatchObject({ code: 'invalid_request', field: 'cursor' });
      expect((await bench.sessions.list(person('Viewer'), { limit: 1 })).data).toHaveLength(1);
    });
  });

  it('never admits more to a project than it may have, whoever asks', async () => {
    const limits = fixedLimits({ maxSessions: 5, ofProject: 3 });
    const project = `p${newId('ses')}`;
    const callers = Array.from({ length: 6 }, () => ({ ...person(), projectId: project }));
    const answers = await Promise.allSettled(
      callers.map(principal => openSession({ ...bench.deps, limits }, request(principal))),
    );
    const refused = answers.filter(answer => answer.status === 'rejected');
    expect(refused).toHaveLength(3);
    for (const { reason } of refused) {
      expect(reason).toMatchObject({ code: 'session_limit' });
      expect(reason.detail).toMatch(
        /^At most 3 sessions of this project may be active.* free at 20\d\d-.*Z at the late/,
      );
    }
  });

  it('never admits the sixth, however many race', async () => {
    const ann = person();
    const answers = await Promise.allSettled(Array.from({ length: 12 }, () => admit(ann)));
    const admitted = answers.filter(answer => answer.status === 'fulfilled');
    expect(admitted).toHaveLength(5);
    expect(await store.countPlaces(database.db, { created_by: ann.id })).toBe(5);
  });
});
