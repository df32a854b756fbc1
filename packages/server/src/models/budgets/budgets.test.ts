/** Budgets: denials, what is reserved and settled, notices, and races on both databases. */
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../platform/database/index.ts';
import { forEachPostgres } from '../../platform/database/testing.ts';
import type { BudgetNotice } from '../gateway/gateway.ts';
import { type GatewayHost, openGatewayHost } from '../testing/host.ts';
import { openScriptedUpstream, type ScriptedUpstream, usedTokens } from '../testing/upstream.ts';
import { reserve, settle } from './reservations.ts';

let projects = 0;

forEachPostgres((name, open) => {
  let database: Database;
  let upstream: ScriptedUpstream;
  let host: GatewayHost;
  let project: string;

  beforeAll(async () => {
    database = await open();
    upstream = await openScriptedUpstream();
    host = await openGatewayHost(database, { upstreamUrl: upstream.url });
  });
  beforeEach(() => {
    project = `p${projects++}`;
    upstream.seen.length = 0;
    upstream.answer = response => response.end(usedTokens(0, 1_000));
  });
  afterAll(async () => {
    await host.close();
    await upstream.close();
  });

  const admin = () => `Admin:user:root:${project}`;
  const put = (body: object, caller = admin()) =>
    host.request('/v1/budgets', {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      caller,
    });
  const list = async (caller = `Viewer:user:vic:${project}`) => {
    const { data } = (await (await host.request('/v1/budgets', { caller })).json()) as {
      data: { id: string; scope: string; owner: string | null; spent_usd: number | null }[];
    };
    return data;
  };
  /** 1,000 tokens of output at 10 dollars a million: a cent, give or take the body. */
  const ask = (token: string, rest: object = {}) =>
    host.request('/model/openai/v1/responses', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ model: 'coder', input: 'x', max_output_tokens: 1_000, ...rest }),
    });
  const hear = (runId: string) => {
    const notices: BudgetNotice[] = [];
    host.gateway.watch(runId, { onCall() {}, onBudget: notice => notices.push(notice) });
    return notices;
  };

  describe(`routes on ${name}`, () => {
    it('are written by Admins and read by Viewers, within the project', async () => {
      const limit = { scope: 'project_month', limit_usd: 5 };
      expect((await put(limit, `Developer:user:dev:${project}`)).status).toBe(403);
      const made = (await (await put(limit)).json()) as { id: string };
      const remove = (caller: string) =>
        host.request(`/v1/budgets/${made.id}`, { method: 'DELETE', caller });
      expect((await remove(`Developer:user:dev:${project}`)).status).toBe(403);
      expect((await remove('Admin:user:root:elsewhere')).status).toBe(404);
      expect(await list('Viewer:user:vic:elsewhere')).toEqual([]);
      expect(await list()).toMatchObject([{ ...limit, spent_usd: 0, owner: null }]);
      expect((await remove(admin())).status).toBe(204);
      expect(await list()).toEqual([]);
      expect(host.audited.slice(-2)).toMatchObject([
        { action: 'budgets.set', target: made.id },
        { action: 'budgets.remove', target: made.id },
      ]);
    });

    it.each([
      { scope: 'run', limit_usd: -1 },
      { scope: 'run', limit_usd: 1, owner: 'user:ann' },
      { scope: 'day', limit_usd: 1 },
      { limit_usd: 1 },
    ])('refuse %j', async body => {
      expect((await put(body)).status).toBe(400);
    });

    it('keep one for each scope and owner', async () => {
      await put({ scope: 'owner', limit_usd: 1 });
      await put({ scope: 'owner', owner: 'user:ann', limit_usd: 2 });
      await put({ scope: 'owner', limit_usd: 3 });
      expect(await list()).toMatchObject([
        { owner: null, limit_usd: 3, spent_usd: null },
        { owner: 'user:ann', limit_usd: 2, spent_usd: 0 },
      ]);
    });
  });

  describe(`money on ${name}`, () => {
    it('refuses what could go over, finally and in words', async () => {
      await put({ scope: 'run', limit_usd: 0.005 });
      const run = await host.newRun('user:ann', project);
      const notices = hear(run.id);
      for (const _ of [1, 2]) {
        const answer = await ask(run.token);
        expect(answer.status).toBe(400);
        const { error } = (await answer.json()) as { error: Record<string, string> };
        expect(error).toMatchObject({ type: 'budget_exceeded', code: 'budget_exceeded' });
        expect(error.message).toMatch(/of every run.*Trying again will not help/);
      }
      expect(upstream.seen).toEqual([]);
      expect(notices).toEqual([
        { runId: run.id, scope: 'run', percent: 100, spentUsd: 0, limitUsd: 0.005 },
      ]);
    });

    it('refuses as each protocol’s agents take for final', async () => {
      await put({ scope: 'run', limit_usd: 0 });
      const run = await host.newRun('user:ann', project);
      const asked = async (path: string, body: object) => {
        const headers = { 'x-api-key': run.token };
        const { status, text } = await host.overSocket(run.id, path, { headers, body });
        return [status, JSON.parse(text).error];
      };
      const messages = await asked('/model/anthropic/v1/messages', { model: 'claude' });
      expect(messages).toMatchObject([403, { type: 'budget_exceeded' }]);
      const chat = await asked('/model/openai/v1/chat/completions', { model: 'coder' });
      expect(chat).toMatchObject([403, { type: 'budget_exceeded', code: 'budget_exceeded' }]);
      const gemini = await asked('/model/gemini/v1beta/models/gemini:generateContent', {});
      const details = [{ reason: 'budget_exceeded' }];
      expect(gemini).toMatchObject([403, { status: 'PERMISSION_DENIED', details }]);
      const responses = await asked('/model/openai/v1/responses', { model: 'coder' });
      expect(responses).toMatchObject([400, { type: 'budget_exceeded' }]);
    });

    it('refuses a model without a price only where a budget applies', async () => {
      const run = await host.newRun('user:ann', project);
      expect((await ask(run.token, { model: 'free' })).status).toBe(200);
      await put({ scope: 'project_month', limit_usd: 100 });
      const answer = await ask(run.token, { model: 'free' });
      expect(answer.status).toBe(400);
      const [{ id } = { id: '' }] = await list();
      expect(await answer.text()).toMatch(new RegExp(`model free has no price.*${id}`));
    });

    it('settles at what was used, and gives notice of 80, 90 and 100 % once each', async () => {
      await put({ scope: 'run', limit_usd: 0.101 });
      const run = await host.newRun('user:ann', project);
      const notices = hear(run.id);
      const percents: number[][] = [];
      for (let call = 1; call <= 10; call++) {
        expect((await ask(run.token)).status).toBe(200);
        await expect.poll(() => spent(run.id)).toBeCloseTo(call * 0.01, 9);
        await settledNotices(run.id, call);
        percents.push(notices.splice(0).map(notice => notice.percent));
      }
      expect(percents.map(String)).toEqual(['', '', '', '', '', '', '', '', '80', '90']);
      expect((await ask(run.token)).status).toBe(400);
      expect(notices.map(notice => notice.percent)).toEqual([100]);
    });

    it('keeps owners apart, and their own limit instead of the one for each', async () => {
      await put({ scope: 'owner', limit_usd: 0.015 });
      await put({ scope: 'owner', owner: 'user:rich', limit_usd: 1 });
      const [ann, bob, rich] = await Promise.all(
        ['user:ann', 'user:bob', 'user:rich'].map(owner => host.newRun(owner, project)),
      );
      expect((await ask(ann!.token)).status).toBe(200);
      expect((await ask(ann!.token)).status).toBe(400);
      expect((await ask(bob!.token)).status).toBe(200);
      for (const _ of [1, 2, 3]) expect((await ask(rich!.token)).status).toBe(200);
    });

    it('counts this month only', async () => {
      await put({ scope: 'project_month', limit_usd: 0.015 });
      const run = await host.newRun('user:ann', project);
      expect((await ask(run.token)).status).toBe(200);
      expect((await ask(run.token)).status).toBe(400);
      await sql`update reservations set created_at = created_at - interval '1 month'
        where project_id = ${project}`.execute(database.db);
      expect((await ask(run.token)).status).toBe(200);
    });

    it('counts people’s calls for owner and project, not for runs', async () => {
      await put({ scope: 'run', limit_usd: 0 });
      await put({ scope: 'project_month', limit_usd: 0.015 });
      const call = () =>
        host.request('/model/openai/v1/responses', {
          method: 'POST',
          body: JSON.stringify({ model: 'coder', input: 'x', max_output_tokens: 1_000 }),
          caller: `Developer:user:dev:${project}`,
        });
      expect((await call()).status).toBe(200);
      expect((await call()).status).toBe(400);
    });

    it('keeps what a crash left counted, and settles once', async () => {
      await put({ scope: 'run', limit_usd: 1 });
      const { id } = await host.newRun('user:ann', project);
      const caller = { projectId: project, owner: 'user:ann', runId: id };
      const request = { caller, model: 'coder', usd: 0.6 };
      const left = await reserve(database, request);
      await expect(reserve(database, request)).rejects.toMatchObject({ code: 'budget_exceeded' });
      await settle(database.db, left.id, { usd: 0.1 });
      await settle(database.db, left.id, { usd: 0.9 });
      await reserve(database, request);
      await expect(reserve(database, request)).rejects.toMatchObject({ code: 'budget_exceeded' });
    });

    it('gives the last dollar to one of twenty', async () => {
      await put({ scope: 'project_month', limit_usd: 7 });
      await put({ scope: 'owner', limit_usd: 7 });
      await put({ scope: 'run', limit_usd: 7 });
      const { id } = await host.newRun('user:ann', project);
      const caller = { projectId: project, owner: 'user:ann', runId: id };
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, () => reserve(database, { caller, model: 'coder', usd: 1 })),
      );
      expect(results.filter(one => one.status === 'fulfilled')).toHaveLength(7);
      for (const one of results) {
        if (one.status === 'rejected')
          expect(one.reason).toMatchObject({ code: 'budget_exceeded' });
      }
    });

    async function spent(runId: string): Promise<number> {
      const { rows } = await sql<{ usd: number }>`
        select coalesce(sum(settled_usd), 0)::float8 as usd from reservations
        where run_id = ${runId}
      `.execute(database.db);
      return rows[0]!.usd;
    }

    /** Notices are written last; by then the listener has heard of them. */
    async function settledNotices(runId: string, call: number): Promise<void> {
      const expected = call >= 10 ? 2 : call >= 9 ? 1 : 0;
      const written = async () => {
        const { rows } =
          await sql`select 1 from budget_notices where about = ${`run:${runId}`}`.execute(
            database.db,
          );
        return rows.length;
      };
      await expect.poll(written).toBe(expected);
    }
  });
});
