import { Readable } from 'node:stream';
import { sql } from 'kysely';
import { beforeAll, describe, expect, it } from 'vitest';
import { HoldfastError } from '../kernel/index.ts';
import type { Database, Trx } from '../platform/database/index.ts';
import { createRuns, type NewDiff } from './index.ts';
import { forEachRunsHost } from './testing/databases.ts';
import { checkpointOf, type RunsHost } from './testing/host.ts';

const COMMIT = 'a'.repeat(40);
const START = { agentVersion: '1', baseCommit: COMMIT, branch: 'holdfast/x', isolated: true };
const SUCCESS = { status: 'succeeded', reason: null, summary: 'Done.' } as const;

/** The events of a run that takes every step once, and calls its model twice. */
const TYPES_OF_A_RUN = [
  'run.created',
  'run.started',
  'workspace.ready',
  'agent.output',
  'model.called',
  'model.called',
  'checkpoint.saved',
  'tests.finished',
  'patch.created',
  'run.succeeded',
];

forEachRunsHost(open => {
  let host: RunsHost;
  beforeAll(async () => {
    host = await open();
  });
  const typesOf = async (run: string) =>
    (await host.send('GET', `/v1/runs/${run}/events`)).body.data.map(
      (event: { type: string }) => event.type,
    );
  const runOf = async (run: string) => (await host.send('GET', `/v1/runs/${run}`)).body;

  async function checkpoint(run: Awaited<ReturnType<RunsHost['claim']>>, number: number) {
    await host.runs.driver.saveCheckpoint(run, checkpointOf(run.id, number, COMMIT), 'session-1');
  }

  async function diff(run: string): Promise<NewDiff> {
    const blobKey = `artifacts/${run}.patch`;
    const patch = 'diff --git a/a b/a\n';
    const put = { contentType: 'text/x-diff', maxBytes: 1000 };
    await host.blobs.put(blobKey, Readable.from([patch]), put);
    return {
      headCommit: COMMIT,
      branch: 'holdfast/x',
      files: [{ path: 'a', old_path: null, status: 'modified', insertions: 1, deletions: 0 }],
      insertions: 1,
      deletions: 0,
      patch: { blobKey, sizeBytes: patch.length, sha256: '1'.repeat(64) },
    };
  }

  it('carries a run from its job to its end', async () => {
    const { driver } = host.runs;
    const [id] = await host.newRuns('builtin');
    const run = await host.claim(id!);
    expect(run).toMatchObject({
      id,
      attempt: 1,
      instruction: 'Do it.',
      agent: 'builtin',
      resumed: null,
      checkpoint: null,
      continues: null,
      cancel_requested_at: null,
      repository: { url: 'https://git.test/team/app.git', path: null },
    });
    await driver.workspaceReady(run, START);
    const journal = driver.journal(run, () => {});
    const text = '\u001b[32mok\u001b[0m\n';
    journal.push({ type: 'agent.output', data: { stream: 'stdout' }, private: { text } });
    expect(await journal.flush(5_000)).toBe(true);
    journal.close();
    const call = { model: 'm', inputTokens: 10, outputTokens: 5, cachedTokens: 1, status: 200 };
    await driver.recordUsage(run, { ...call, costUsd: 0.25 });
    await driver.recordUsage(run, { ...call, costUsd: 0.5 });
    await checkpoint(run, 1);
    const output = `${'x'.repeat(100_000)}end`;
    await driver.setTests(run, { phase: 'after', exitCode: 0, durationS: 1.5, output });
    await driver.setDiff(run, await diff(id!));
    await driver.finish(run, SUCCESS);
    expect(await typesOf(id!)).toEqual(TYPES_OF_A_RUN);
    expect(await runOf(id!)).toMatchObject({
      status: 'succeeded',
      reason: null,
      attempt: 1,
      summary: 'Done.',
      branch: 'holdfast/x',
      files_changed: [{ path: 'a' }],
      tests: { before: null, after: { exit_code: 0, duration_s: 1.5 } },
      usage: { input_tokens: 20, output_tokens: 10, cached_tokens: 2, calls: 2 },
      cost_usd: 0.75,
      isolated: true,
      duration_s: expect.any(Number),
    });
    const patch = await host.request(`/v1/runs/${id}/patch`);
    expect(patch.headers.get('content-type')).toMatch(/^text\/x-diff/);
    expect(await patch.text()).toBe('diff --git a/a b/a\n');
    const logs = await host.request(`/v1/runs/${id}/logs`);
    expect(logs.headers.get('content-disposition')).toBe(`attachment; filename="${id}.log"`);
    expect(await logs.text()).toBe(text);
    const { body } = await host.send('GET', `/v1/runs/${id}/artifacts`);
    expect(body.data.map((one: { kind: string }) => one.kind)).toEqual(['checkpoint', 'patch']);
    expect((await host.send('POST', `/v1/runs/${id}/retry`)).status).toBe(409);
    await driver.finish(run, SUCCESS);
    expect(await typesOf(id!)).toHaveLength(10);
  });

  it('writes once, also where the reply to a commit was lost', async () => {
    let losses = 0;
    const database: Database = Object.create(host.database, {
      transaction: {
        value: async <T>(work: (trx: Trx) => Promise<T>) => {
          const answer = await host.database.transaction(work);
          losses += 1;
          if (losses % 2 === 0) return answer;
          throw new HoldfastError('unavailable', 'The connection broke after the commit.');
        },
      },
    });
    const { driver } = createRuns({ ...host.deps, database });
    const [id] = await host.newRuns('builtin');
    const run = await host.claim(id!);
    await driver.workspaceReady(run, START);
    expect(losses).toBe(2);
    await driver.finish(run, SUCCESS);
    expect(losses).toBe(4);
    expect(await typesOf(id!)).toEqual([
      'run.created',
      'run.started',
      'workspace.ready',
      'run.succeeded',
    ]);
  });

  it('seals the summary of the agent', async () => {
    const [id] = await host.newRuns('builtin');
    const run = await host.claim(id!);
    await host.runs.driver.finish(run, { ...SUCCESS, summary: 'a private word' });
    const rows = await host.database.db
      .withTables<{ runs: { id: string; summary_data: Uint8Array } }>()
      .selectFrom('runs')
      .select('summary_data')
      .where('id', '=', id!)
      .executeTakeFirstOrThrow();
    expect(Buffer.from(rows.summary_data).toString('latin1')).not.toContain('private');
  });

  it('picks one, which is then done; picking it again adds no event', async () => {
    const [id] = await host.newRuns('builtin');
    const run = await host.claim(id!);
    await host.runs.driver.finish(run, SUCCESS);
    const task = async () => (await host.send('GET', `/v1/tasks/${run.task_id}`)).body;
    expect((await task()).column).toBe('in_review');
    for (let round = 0; round < 2; round += 1) {
      const picked = await host.send('POST', `/v1/runs/${id}/pick`);
      expect(picked).toMatchObject({ status: 200, body: { picked: true } });
    }
    expect(await task()).toMatchObject({ column: 'done', picked_run_id: id });
    expect((await typesOf(id!)).filter((type: string) => type === 'run.picked')).toHaveLength(1);
  });

  it('gets a cancel and messages as signals', async () => {
    const { driver } = host.runs;
    const [id] = await host.newRuns('builtin');
    const run = await host.claim(id!);
    const ask = () =>
      driver.signals([
        { id: id!, attempt: run.attempt, taskId: run.task_id, afterMessage: run.messageNumber },
      ]);
    expect(await ask()).toEqual([{ runId: id, cancelRequested: false, lost: false, messages: [] }]);
    await host.send('POST', `/v1/tasks/${run.task_id}/messages`, { instruction: 'And that.' });
    expect((await ask())[0]?.messages).toMatchObject([{ number: 2, instruction: 'And that.' }]);
    const canceled = await host.send('POST', `/v1/runs/${id}/cancel`);
    expect(canceled.body).toMatchObject({ status: 'running' });
    await host.send('POST', `/v1/runs/${id}/cancel`);
    expect((await ask())[0]).toMatchObject({ cancelRequested: true, lost: false });
    await driver.setDiff(run, await diff(id!));
    await driver.finish(run, { status: 'canceled', reason: 'canceled' });
    expect(await runOf(id!)).toMatchObject({ status: 'canceled', files_changed: [{ path: 'a' }] });
    expect((await ask())[0]).toMatchObject({ lost: true });
    const types = await typesOf(id!);
    expect(types.filter((type: string) => type === 'run.cancel_requested')).toHaveLength(1);
  });

  it('retries a failed run, as a new run', async () => {
    const [id] = await host.newRuns('other');
    const run = await host.claim(id!);
    await host.runs.driver.finish(run, {
      status: 'failed',
      reason: 'time_limit',
      message: 'Too long.',
    });
    expect(await runOf(id!)).toMatchObject({ status: 'failed', reason: 'time_limit' });
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const retry = () => host.send('POST', `/v1/runs/${id}/retry`, undefined, { headers });
    const first = await retry();
    expect(first).toMatchObject({ status: 202, body: { runs: [{ agent: 'other' }] } });
    expect(await retry()).toEqual(first);
    const again = await runOf(first.body.runs[0].id);
    expect(again).toMatchObject({ retry_of: id, status: 'queued', message_id: run.message_id });
    const followed = await host.send('POST', `/v1/tasks/${run.task_id}/runs`, {
      agents: ['other'],
      instruction: 'More.',
      continues: id,
    });
    const next = await host.claim(followed.body.runs[0].id);
    expect(next).toMatchObject({ instruction: 'More.', continues: { id, agent: 'other' } });
  });

  it('continues with the messages that the agent did not take', async () => {
    const { driver } = host.runs;
    const [id] = await host.newRuns('other');
    const run = await host.claim(id!);
    const write = (instruction: string) =>
      host.send('POST', `/v1/tasks/${run.task_id}/messages`, { instruction });
    await write('Taken.');
    await write('Not taken.');
    await write('Nor this.');
    const open = async () =>
      (await host.send('GET', `/v1/tasks/${run.task_id}/runs`)).body.data.filter(
        (one: { status: string }) => one.status === 'queued',
      );
    await driver.finish(run, { ...SUCCESS, steeredThrough: 2 });
    await driver.finish(run, { ...SUCCESS, steeredThrough: 2 });
    const [first, ...others] = await open();
    expect(others).toEqual([]);
    expect(first).toMatchObject({ agent: 'other', continues: id, created_by: 'ann' });
    const next = await host.claim(first.id);
    expect(next).toMatchObject({ instruction: 'Not taken.', messageNumber: 3 });
    await driver.finish(next, { ...SUCCESS, steeredThrough: 3 });
    const last = await host.claim((await open())[0].id);
    expect(last).toMatchObject({ instruction: 'Nor this.', continues: { id: next.id } });
    await driver.finish(last, { ...SUCCESS, steeredThrough: 4 });
    expect(await open()).toEqual([]);
    // No run is at work: the message waits for the next run.
    await write('For later.');
    await driver.finish(last, { ...SUCCESS, steeredThrough: 4 });
    expect(await open()).toEqual([]);
  });

  it('resumes after a drain, which never counts', async () => {
    const { driver } = host.runs;
    const [id] = await host.newRuns('builtin');
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const run = await host.claim(id!);
      expect(run).toMatchObject({ attempt, resumed: attempt === 1 ? null : 'drain' });
      await driver.workspaceReady(run, START);
      await driver.requeue(run);
      await driver.requeue(run);
    }
    const types = await typesOf(id!);
    expect(types.filter((type: string) => type === 'run.requeued')).toHaveLength(5);
    expect(types.filter((type: string) => type === 'run.resumed')).toHaveLength(4);
  });

  it('gives up after three lost attempts without a new checkpoint', async () => {
    const { driver } = host.runs;
    const [id] = await host.newRuns('builtin');
    // Attempt 2 saves a checkpoint, so that 2, 3 and 4 are the three in a row.
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      const run = await host.claim(id!);
      expect(run.attempt).toBe(attempt);
      expect(run.checkpoint?.number).toBe(attempt > 2 ? 1 : undefined);
      if (attempt === 2) await checkpoint(run, 1);
      await driver.abandon(run);
    }
    expect((await driver.claim(id!)).kind).toBe('ended');
    expect(await runOf(id!)).toMatchObject({ status: 'failed', reason: 'worker_lost' });
    expect((await driver.claim(id!)).kind).toBe('ended');
  });

  it('keeps within the slots of an owner and a repository', async () => {
    const { driver } = host.runs;
    const caller = 'Developer:carl:default';
    const task = await host.newTask();
    const { repo_id } = task;
    const own = { repo_id, title: 'T', instruction: 'x' };
    const { id } = (await host.send('POST', '/v1/tasks', own, { caller })).body;
    const agents = ['builtin', 'other'];
    const started = await host.send('POST', `/v1/tasks/${id}/runs`, { agents }, { caller });
    const [one, two] = started.body.runs.map((run: { id: string }) => run.id);
    const first = await driver.claim(one, { perOwner: 1, perRepository: 1 });
    if (first.kind !== 'claimed') throw new Error(first.kind);
    expect((await driver.claim(two, { perOwner: 1 })).kind).toBe('later');
    expect((await driver.claim(two, { perRepository: 1 })).kind).toBe('later');
    // Another's run in this repository, and the owner's in another one.
    const startIn = async (repositoryId: string, who: string) => {
      const options = { caller: who };
      const body = { repo_id: repositoryId, title: 'T', instruction: 'x' };
      const made = (await host.send('POST', '/v1/tasks', body, options)).body;
      const path = `/v1/tasks/${made.id}/runs`;
      return (await host.send('POST', path, { agents: ['builtin'] }, options)).body.runs[0].id;
    };
    const others = await startIn(repo_id, 'Developer:dora:default');
    expect((await driver.claim(others, { perRepository: 1 })).kind).toBe('later');
    expect((await driver.claim(others, { perOwner: 1, perRepository: 2 })).kind).toBe('claimed');
    const away = await startIn((await host.newTask()).repo_id, caller);
    expect((await driver.claim(away, { perOwner: 1 })).kind).toBe('later');
    expect((await driver.claim(away, { perOwner: 2, perRepository: 1 })).kind).toBe('claimed');
    await driver.finish(first.run, SUCCESS);
    expect((await driver.claim(two, { perOwner: 1 })).kind).toBe('later');
    expect((await driver.claim(two, { perOwner: 2, perRepository: 2 })).kind).toBe('claimed');
  });

  it('sends jobs again for runs that no worker drives', async () => {
    const [id] = await host.newRuns('builtin');
    await host.runs.driver.abandon(await host.claim(id!));
    expect(await host.runs.driver.wakeLost()).toBeGreaterThanOrEqual(1);
  });

  describe('two workers', () => {
    it('claim one run: one has it', async () => {
      const other = await host.sibling();
      const [id] = await host.newRuns('builtin');
      const claims = await Promise.all([host.runs, other.runs].map(runs => runs.driver.claim(id!)));
      expect(claims.map(claim => claim.kind).toSorted()).toEqual(['claimed', 'taken']);
      // The holder may be dead unnoticed, so another job comes later.
      const { rows } = await sql<{ wait_s: number }>`
        select extract(epoch from start_after - now())::float8 as wait_s from pgboss.job
        where singleton_key = ${`${id}:taken`}`.execute(host.database.db);
      expect(rows[0]?.wait_s).toBeGreaterThan(14);
      await other.close();
    });

    it('take over a run: the one that lost the lease changes nothing', async () => {
      const other = await host.sibling();
      const [id] = await host.newRuns('builtin');
      const taken = await other.runs.driver.claim(id!);
      if (taken.kind !== 'claimed') throw new Error(taken.kind);
      const stale = taken.run;
      await other.runs.driver.workspaceReady(stale, START);
      await checkpoint(stale, 1).catch(() => {});
      await other.close();
      const run = await host.claim(id!);
      expect(run).toMatchObject({ attempt: 2, resumed: 'worker_lost' });
      await host.runs.driver.workspaceReady(run, START);
      const before = await typesOf(id!);
      const { driver } = other.runs;
      const conflict = { code: 'conflict' };
      await expect(driver.finish(stale, SUCCESS)).rejects.toMatchObject(conflict);
      await expect(driver.requeue(stale)).rejects.toMatchObject(conflict);
      await expect(driver.setDiff(stale, await diff(id!))).rejects.toMatchObject(conflict);
      await expect(
        driver.append(stale, [{ type: 'agent.thought', data: {}, private: { text: 'x' } }]),
      ).rejects.toMatchObject(conflict);
      const losses: unknown[] = [];
      const journal = driver.journal(stale, loss => losses.push(loss));
      journal.push({ type: 'agent.thought', data: {}, private: { text: 'x' } });
      expect(await journal.flush(5_000)).toBe(false);
      expect(losses).toHaveLength(1);
      expect(await typesOf(id!)).toEqual(before);
      expect(await runOf(id!)).toMatchObject({ status: 'running', attempt: 2, files_changed: [] });
      await host.runs.driver.finish(run, SUCCESS);
      await expect(driver.finish(stale, SUCCESS)).rejects.toMatchObject(conflict);
    });
  });
});
