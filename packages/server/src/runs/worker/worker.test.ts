import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { HoldfastError } from '../../kernel/index.ts';
import type { BudgetNotice, ModelCall } from '../../models/index.ts';
import { eraseRun } from '../store.ts';
import { openOwnRunsHost } from '../testing/databases.ts';
import { driverWith, type RunsHost } from '../testing/host.ts';
import { openModelSocket } from './sockets.ts';
import { cloneOf, openBench, processesWith, waitFor } from './testing.ts';

const MARK = `hold-work-${process.pid}`;
const WORKS = `echo > new.txt; echo tool; : ${MARK}; while :; do echo more; sleep 0.1; done`;
const HOLDS = `sh -c '${WORKS}'`;
/** First attempt: works on and on. Later ones: done at once. */
const RESUMES = `[ -e new.txt ] && { echo done Resumed.; exit; }; ${HOLDS}`;

describe('a worker', () => {
  let host: RunsHost;
  beforeAll(async () => {
    host = await openOwnRunsHost();
    return () => host.close();
  });
  const draining = () => AbortSignal.timeout(60_000);

  it('that drains saves its runs and requeues them', async () => {
    const bench = await openBench(host, { limits: { checkpointMinMs: 60_000 } });
    bench.agent.script = RESUMES;
    const id = await bench.begin();
    await bench.wrote(id, 'new.txt');
    await bench.worker.drain(draining());
    const run = await bench.run(id);
    expect(run).toMatchObject({ status: 'queued', attempt: 1 });
    expect(await bench.types(id)).toEqual(
      expect.arrayContaining(['checkpoint.saved', 'run.requeued']),
    );
    expect(processesWith(MARK)).toEqual([]);
    expect(existsSync(cloneOf(bench.world, id))).toBe(false);
    expect(bench.gateway.tokens.size).toBe(0);
    const other = await openBench(host, { ports: { workspaces: await bench.world.another() } });
    other.agent.script = RESUMES;
    expect(await other.ended(id)).toMatchObject({ status: 'succeeded', summary: 'Resumed.' });
  });

  it('that drains while it prepares a run requeues it at once, and changes no more', async () => {
    const bench = await openBench(host);
    const { workspaces } = bench.world;
    const prepare = workspaces.prepare.bind(workspaces);
    const [begun, prepared] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    workspaces.prepare = async request => {
      begun.resolve();
      await prepared.promise;
      return prepare(request);
    };
    const id = await bench.begin();
    await begun.promise;
    const drained = bench.worker.drain(draining());
    await waitFor(async () => expect(await bench.run(id)).toMatchObject({ status: 'queued' }));
    const successor = await host.claim(id);
    const revoked = vi.spyOn(bench.gateway, 'revokeRunTokens');
    prepared.resolve();
    await drained;
    expect(revoked).not.toHaveBeenCalled();
    expect(existsSync(cloneOf(bench.world, id))).toBe(false);
    await host.runs.driver.finish(successor, { status: 'canceled', reason: 'canceled' });
  });

  it('that must hurry requeues runs with their last checkpoint', async () => {
    const bench = await openBench(host, { limits: { checkpointMinMs: 60_000 } });
    bench.agent.script = `trap "" INT TERM; ${HOLDS}`;
    const id = await bench.begin();
    await bench.wrote(id, 'new.txt');
    await bench.worker.drain(AbortSignal.abort());
    expect(await bench.run(id)).toMatchObject({ status: 'queued' });
    expect(await bench.types(id)).not.toContain('checkpoint.saved');
    await bench.post(`/v1/runs/${id}/cancel`);
    expect(await bench.ended(id)).toMatchObject({ status: 'canceled' });
  });

  it('saves home and files of one moment while the agent works', async () => {
    // Renamed into place: halted between the two halves of a plain write, it would be empty.
    const keep = 'echo $i > ~/next; mv ~/next ~/session';
    const steps = `i=$((i+1)); echo $i >> work.txt; ${keep}; echo tool; sleep 0.01`;
    const script = `trap "" INT TERM
      [ -e work.txt ] && { echo done $(wc -l < work.txt) $(cat ~/session); exit; }
      i=0; while :; do ${steps}; done`;
    const bench = await openBench(host);
    bench.agent.script = script;
    const id = await bench.begin();
    await waitFor(async () => {
      const types = await bench.types(id);
      expect(types.filter(type => type === 'checkpoint.saved').length).toBeGreaterThan(3);
    });
    await bench.worker.drain(AbortSignal.abort());
    const other = await openBench(host, { ports: { workspaces: await bench.world.another() } });
    other.agent.script = script;
    const { status, summary } = await bench.ended(id);
    expect(status).toBe('succeeded');
    const [lines, known] = summary!.split(' ').map(Number);
    expect(known).toBeGreaterThan(0);
    expect([known, known! + 1]).toContain(lines);
  });

  it('takes the home before the files, also of a process that it cannot halt', async () => {
    const steps = 'i=$((i+1)); echo $i >> work.txt; echo $i > ~/next; mv ~/next ~/session';
    // Outside of the agent's process group, so that no signal halts it while both are taken.
    const script = `
      [ -e work.txt ] && { echo done $(wc -l < work.txt) $(cat ~/session); exit; }
      setsid sh -c 'i=0; while :; do ${steps}; sleep 0.01; done' &
      while :; do echo tool; sleep 0.1; done`;
    const bench = await openBench(host);
    bench.agent.script = script;
    const id = await bench.begin();
    await waitFor(async () => {
      const types = await bench.types(id);
      expect(types.filter(type => type === 'checkpoint.saved').length).toBeGreaterThan(1);
    });
    await bench.worker.drain(AbortSignal.abort());
    const other = await openBench(host, { ports: { workspaces: await bench.world.another() } });
    other.agent.script = script;
    const { status, summary } = await bench.ended(id);
    expect(status).toBe('succeeded');
    const [lines, known] = summary!.split(' ').map(Number);
    expect(known).toBeGreaterThan(0);
    expect(known).toBeLessThanOrEqual(lines!);
  });

  it('without a checkpoint leaves the next one to begin a new session', async () => {
    const bench = await openBench(host, { limits: { checkpointMinMs: 60_000 } });
    bench.agent.script = `trap "" INT TERM; echo session s-1; ${HOLDS}`;
    const id = await bench.begin();
    await waitFor(async () => expect(await bench.types(id)).toContain('agent.session'));
    await bench.worker.drain(AbortSignal.abort());
    const ports = { workspaces: await bench.world.another() };
    const other = await openBench(host, { ports, limits: { checkpointMinMs: 0 } });
    other.agent.script = `echo session s-2; echo > new.txt; ${HOLDS}`;
    await waitFor(async () => expect(await bench.types(id)).toContain('checkpoint.saved'));
    expect(other.agent.contexts).toMatchObject([{ resume: null }]);
    await other.worker.drain(AbortSignal.abort());
    const last = await openBench(host, { ports: { workspaces: await bench.world.another() } });
    expect(await last.ended(id)).toMatchObject({ status: 'succeeded' });
    expect(last.agent.contexts).toMatchObject([{ resume: 's-2' }]);
  });

  it('that lost a run to another writes nothing more and removes its files', async () => {
    const mine = await host.sibling();
    const { driver } = mine.runs;
    const bench = await openBench(host, { ports: { leases: mine.leases, driver } });
    bench.agent.script = HOLDS;
    const id = await bench.begin();
    await bench.wrote(id, 'new.txt');
    await mine.close();
    const taken = await host.claim(id);
    const before = await bench.types(id);
    await waitFor(() => expect(bench.worker.running).toBe(0));
    expect(await bench.types(id)).toEqual(before);
    expect(processesWith(MARK)).toEqual([]);
    expect(existsSync(cloneOf(bench.world, id))).toBe(false);
    await host.runs.driver.finish(taken, { status: 'canceled', reason: 'canceled' });
  });

  it('gives a claim up whose reply was lost, and continues', async () => {
    let answers = 0;
    const { driver } = host.runs;
    const claim: typeof driver.claim = async (...asked) => {
      const claimed = await driver.claim(...asked);
      answers += 1;
      if (answers > 1) return claimed;
      throw new HoldfastError('unavailable', 'The connection was lost during COMMIT.');
    };
    const bench = await openBench(host, {
      ports: { driver: driverWith(driver, { claim }) },
      limits: { wakeIntervalMs: 200 },
    });
    const id = await bench.begin();
    expect(await bench.ended(id)).toMatchObject({ status: 'succeeded', attempt: 2 });
    expect((await bench.types(id)).filter(type => type === 'run.resumed')).toHaveLength(1);
  });

  it('that could not renew its leases gives its runs up, and they continue', async () => {
    let sinceMs = 0;
    const leases = { ...host.leases, sinceHeartbeatMs: () => sinceMs };
    const bench = await openBench(host, { ports: { leases } });
    bench.agent.script = RESUMES;
    const id = await bench.begin();
    await waitFor(async () => expect(await bench.types(id)).toContain('checkpoint.saved'));
    sinceMs = 11_000;
    await waitFor(() => expect(bench.worker.running).toBe(0));
    sinceMs = 0;
    expect(processesWith(MARK)).toEqual([]);
    // No other worker has taken it, so a worker that forgot it would hold it for ever.
    await waitFor(async () => expect(await host.runs.driver.wakeLost()).toBeGreaterThan(0));
    expect(await bench.ended(id)).toMatchObject({ status: 'succeeded', attempt: 2 });
  });

  it('delivers the checkpoint of a run that is canceled while no worker drives it', async () => {
    const bench = await openBench(host);
    bench.agent.script = HOLDS;
    const id = await bench.begin();
    await bench.wrote(id, 'new.txt');
    await bench.worker.drain(draining());
    const held = await host.claim(id);
    await bench.post(`/v1/runs/${id}/cancel`);
    await host.runs.driver.abandon(held);
    const other = await openBench(host, { ports: { workspaces: await bench.world.another() } });
    await host.runs.driver.wakeLost();
    expect(await other.ended(id)).toMatchObject({
      status: 'canceled',
      files_changed: [{ path: 'new.txt' }],
    });
    expect(other.agent.contexts).toEqual([]);
  });

  it('starts a follow-up from the work that it continues, in its second attempt too', async () => {
    const bench = await openBench(host);
    bench.agent.script = 'echo > first.txt; echo done Done.';
    const id = await bench.begin();
    const { task_id } = await bench.ended(id);
    await bench.worker.stop();
    const body = { agents: ['builtin'], instruction: 'More.', continues: id };
    const { body: started } = await bench.post(`/v1/tasks/${task_id}/runs`, body);
    const [{ id: next }] = started.runs as [{ id: string }];
    const lost = await host.claim(next);
    const { base_commit: baseCommit } = await bench.run(id);
    const facts = { agentVersion: null, branch: `holdfast/${next}`, isolated: true };
    await host.runs.driver.workspaceReady(lost, { ...facts, baseCommit: baseCommit! });
    await host.runs.driver.abandon(lost);
    const other = await openBench(host, { ports: { workspaces: await bench.world.another() } });
    other.agent.script = 'test -e first.txt && echo done Found.';
    await host.runs.driver.wakeLost();
    expect(await other.ended(next)).toMatchObject({ status: 'succeeded', summary: 'Found.' });
  });

  it('starts nothing from work that was erased, though its objects are still here', async () => {
    const bench = await openBench(host);
    bench.agent.script = 'echo secret > first.txt; echo done Done.';
    const id = await bench.begin();
    const { task_id } = await bench.ended(id);
    await bench.worker.stop();
    const body = { agents: ['builtin'], instruction: 'More.', continues: id };
    const follow = () => bench.post(`/v1/tasks/${task_id}/runs`, body);
    const { body: started } = await follow();
    await host.database.transaction(async trx => {
      await eraseRun(trx, id);
      await host.log.erase(trx, id);
    });
    expect(await follow()).toMatchObject({ status: 410, body: { field: 'continues' } });
    const { workspaces, sandbox } = bench.world;
    const other = await openBench(host, { ports: { workspaces, sandbox } });
    other.agent.script = 'cat first.txt; echo done Found.';
    const [{ id: next }] = started.runs as [{ id: string }];
    expect(await other.ended(next)).toMatchObject({ status: 'failed', reason: 'workspace' });
    expect(other.agent.contexts).toEqual([]);
  });

  it('writes the cost of models before the run ends', async () => {
    const bench = await openBench(host);
    bench.agent.script = 'echo > up.txt; read go; echo done Done.';
    const id = await bench.begin();
    await bench.wrote(id, 'up.txt');
    const listener = bench.gateway.watched.get(id)!;
    const call: ModelCall = {
      runId: id,
      model: 'm',
      inputTokens: 10,
      outputTokens: 5,
      cachedTokens: 0,
      costUsd: 0.25,
      status: 200,
    };
    for (let calls = 0; calls < 3; calls += 1) listener.onCall(call);
    const notice: BudgetNotice = {
      runId: id,
      scope: 'run',
      percent: 80,
      spentUsd: 0.75,
      limitUsd: 0.9,
    };
    listener.onBudget(notice);
    const { task_id } = await bench.run(id);
    await bench.post(`/v1/tasks/${task_id}/messages`, { instruction: 'go' });
    expect(await bench.ended(id)).toMatchObject({ cost_usd: 0.75, usage: { calls: 3 } });
    expect(await bench.types(id)).toContain('budget.reached');
  });
});

describe('the socket to the models', () => {
  it('answers on a Unix socket, and on loopback where asked, until it is closed', async () => {
    const socket = await openModelSocket({
      listener: (_request, response) => response.end('models'),
      owner: { uid: process.getuid!(), gid: process.getgid!() },
      tcp: true,
    });
    const overUnix = await new Promise<string>((resolve, reject) => {
      const asked = request({ socketPath: socket.path, path: '/' }, answer =>
        text(answer).then(resolve, reject),
      );
      asked.once('error', reject).end();
    });
    expect(overUnix).toBe('models');
    expect(await (await fetch(socket.url!)).text()).toBe('models');
    await socket.close();
    expect(existsSync(socket.path)).toBe(false);
    await expect(fetch(socket.url!)).rejects.toThrow();
  });
});
