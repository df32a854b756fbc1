import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { HoldfastError } from '../../kernel/index.ts';
import { getSealed } from '../../platform/blobs/index.ts';
import { openOwnRunsHost } from '../testing/databases.ts';
import { driverWith, type RunsHost } from '../testing/host.ts';
import { createWorld } from '../workspace/testing.ts';
import { type Bench, cloneOf, openBench, processesWith, waitFor } from './testing.ts';

const FOREVER = 'while :; do sleep 0.05; done';
const MIB = 1024 ** 2;
const SILENT_S = `61.${process.pid}`;
const SILENT = `exec sleep ${SILENT_S}`;
const CANCEL_MARK = `hold-cancel-${process.pid}`;

async function textOf({ world }: Bench, key: string): Promise<string> {
  const body = await getSealed(world, key);
  return body === null ? '' : text(body);
}

describe('an attempt', () => {
  let host: RunsHost;
  beforeAll(async () => {
    host = await openOwnRunsHost();
    return () => host.close();
  });

  it('does the work, tests it before and after, delivers it, and removes its files', async () => {
    const bench = await openBench(host);
    bench.agent.script = 'echo session s-1; echo hello; echo x > new.txt; echo done All good.';
    const id = await bench.begin({ testCommand: 'ls; test -e new.txt' });
    const run = await bench.ended(id);
    expect(run).toMatchObject({
      status: 'succeeded',
      reason: null,
      summary: 'All good.',
      files_changed: [{ path: 'new.txt', status: 'added' }],
      tests: { before: { exit_code: 1 }, after: { exit_code: 0 } },
    });
    expect(await bench.types(id)).toEqual([
      ...['run.created', 'run.started', 'workspace.ready', 'tests.finished'],
      ...['agent.session', 'agent.output'],
      ...['tests.finished', 'patch.created', 'checkpoint.saved', 'run.succeeded'],
    ]);
    const patch = await host.deps.database.db
      .withTables<{ artifacts: { run_id: string; kind: string; blob_key: string } }>()
      .selectFrom('artifacts')
      .select('blob_key')
      .where('run_id', '=', id)
      .where('kind', '=', 'patch')
      .executeTakeFirstOrThrow();
    expect(await textOf(bench, patch.blob_key)).toContain('+++ b/new.txt');
    await waitFor(() => expect(bench.worker.running).toBe(0));
    expect(existsSync(cloneOf(bench.world, id))).toBe(false);
    expect(bench.gateway.tokens.size + bench.gateway.watched.size).toBe(0);
  });

  it('keeps the patch of an agent that failed', async () => {
    const bench = await openBench(host);
    bench.agent.script = 'echo x > new.txt; echo fail It broke.; exit 0';
    const id = await bench.begin();
    expect(await bench.ended(id)).toMatchObject({
      status: 'failed',
      reason: 'agent_error',
      files_changed: [{ path: 'new.txt' }],
    });
    const last = (await bench.events(id)).at(-1);
    expect(last).toMatchObject({ type: 'run.failed', data: { message: 'It broke.' } });
  });

  it('cancels an agent that ignores signals, with its processes, and keeps the work', async () => {
    const bench = await openBench(host);
    const child = `sh -c "trap '' INT TERM; : ${CANCEL_MARK}; ${FOREVER}"`;
    bench.agent.script = `trap '' INT TERM; echo x > new.txt; ${child} & ${FOREVER}`;
    const id = await bench.begin();
    await bench.wrote(id, 'new.txt');
    expect(processesWith(CANCEL_MARK).length).toBeGreaterThan(0);
    const startMs = performance.now();
    for (let twice = 0; twice < 2; twice += 1) await bench.post(`/v1/runs/${id}/cancel`);
    const run = await bench.ended(id);
    expect(run).toMatchObject({ status: 'canceled', files_changed: [{ path: 'new.txt' }] });
    expect(performance.now() - startMs).toBeGreaterThan(2 * bench.deps.limits.stopGraceMs);
    expect(processesWith(CANCEL_MARK)).toEqual([]);
  });

  it('sends SIGINT first: an agent may end by itself', async () => {
    const bench = await openBench(host, { limits: { stopGraceMs: 10_000 } });
    bench.agent.script = `trap "echo asked > asked.txt; exit" INT; echo > up.txt; ${FOREVER}`;
    const id = await bench.begin();
    await bench.wrote(id, 'up.txt');
    await bench.post(`/v1/runs/${id}/cancel`);
    const run = await bench.ended(id);
    expect(run.files_changed.map(file => file.path)).toContain('asked.txt');
  });

  it.each([
    ['no_output', { silenceMs: 2_000 }],
    ['time_limit', { softTimeMs: 2_000 }],
    ['time_limit', { softTimeMs: 2_000, hardTimeMs: 2_200, stopGraceMs: 60_000 }],
  ] as const)('ends by %s, and keeps the work: %j', async (reason, limits) => {
    const bench = await openBench(host, { limits });
    bench.agent.script = `trap "" INT TERM; echo x > new.txt; ${SILENT}`;
    const id = await bench.begin();
    expect(await bench.ended(id)).toMatchObject({
      status: 'failed',
      reason,
      files_changed: [{ path: 'new.txt' }],
    });
    expect(processesWith(`sleep\0${SILENT_S}`)).toEqual([]);
  });

  it('ends by disk_limit, at once, and keeps the work', async () => {
    const limits = { diskMaxBytes: 20 * MIB, diskIntervalMs: 100, stopGraceMs: 60_000 };
    const bench = await openBench(host, { limits });
    // It ignores a request to stop.
    bench.agent.script = `trap "" INT TERM; echo kept > new.txt; n=0
      while [ $n -lt 400 ]; do n=$((n + 1)); head -c 1000000 /dev/zero > big-$n; sleep 0.05; done`;
    const id = await bench.begin({ testCommand: 'true' });
    const run = await bench.ended(id);
    expect(run).toMatchObject({
      status: 'failed',
      reason: 'disk_limit',
      tests: { after: null },
      files_changed: expect.arrayContaining([expect.objectContaining({ path: 'new.txt' })]),
    });
    expect(JSON.stringify(await bench.events(id))).toContain('more disk than it may');
  });

  it('ends by disk_limit at what its snapshots keep, though the clone stays small', async () => {
    const limits = { diskMaxBytes: 10 * MIB, diskIntervalMs: 100 };
    const bench = await openBench(host, { limits });
    bench.agent.script = `rm -rf .git
      while :; do head -c 4000000 /dev/urandom > new.txt; echo tool; sleep 0.2; done`;
    const id = await bench.begin();
    expect(await bench.ended(id)).toMatchObject({
      status: 'failed',
      reason: 'disk_limit',
      files_changed: [{ path: 'new.txt' }],
    });
  });

  it('ends by file_limit at empty files, and keeps the work', async () => {
    const bench = await openBench(host, { limits: { filesMax: 2_000, diskIntervalMs: 100 } });
    bench.agent.script = `trap "" INT TERM; echo kept > new.txt; mkdir ignored; cd ignored
      perl -e 'for (1 .. 3000) { open my $f, ">", $_ }'; ${FOREVER}`;
    const id = await bench.begin({ testCommand: 'true' });
    expect(await bench.ended(id)).toMatchObject({
      status: 'failed',
      reason: 'file_limit',
      tests: { after: null },
      files_changed: [{ path: 'new.txt' }],
    });
    expect(JSON.stringify(await bench.events(id))).toContain('more files than it may');
  });

  it('ends by memory_limit, and keeps the work', async () => {
    const limits = { memoryMaxBytes: 300 * MIB, memoryIntervalMs: 100 };
    const limited = async () => (await host.telemetry.metric('holdfast_runs_limited_total')) ?? 0;
    const before = await limited();
    const bench = await openBench(host, { limits });
    bench.agent.script = `trap "" INT TERM; echo kept > new.txt
      node -e 'const all = []; setInterval(() => all.push(Buffer.alloc(2 ** 24, 1)), 50)'`;
    const id = await bench.begin({ testCommand: 'true' });
    expect(await bench.ended(id)).toMatchObject({
      status: 'failed',
      reason: 'memory_limit',
      tests: { after: null },
      files_changed: [{ path: 'new.txt' }],
    });
    expect(JSON.stringify(await bench.events(id))).toContain('more memory than it may');
    expect(await limited()).toBe(before + 1);
  });

  it('ends by log_limit at its number of events, logs no more, and keeps the work', async () => {
    const bench = await openBench(host, { limits: { logMaxEvents: 50 } });
    bench.agent.script = `trap "" INT TERM; echo kept > new.txt; while :; do echo x; done`;
    const id = await bench.begin();
    expect(await bench.ended(id)).toMatchObject({
      status: 'failed',
      reason: 'log_limit',
      files_changed: [{ path: 'new.txt' }],
    });
    const types = await bench.types(id);
    expect(types.filter(type => type === 'agent.output')).toHaveLength(50);
  });

  it('ends by log_limit at its bytes, those of the attempt before included', async () => {
    const { log, database } = host;
    const bench = await openBench(host, { limits: { logMaxBytes: 100_000 } });
    bench.agent.script = `echo kept > new.txt; echo ${'y'.repeat(60_000)}; echo tool; ${FOREVER}`;
    const id = await bench.begin();
    await waitFor(async () => expect(await bench.types(id)).toContain('checkpoint.saved'));
    await bench.worker.drain(AbortSignal.timeout(5_000));
    expect((await bench.run(id)).status).toBe('queued');
    expect((await log.useOf(database.db, id)).sizeBytes).toBeGreaterThan(60_000);
    const { workspaces, sandbox, blobs } = bench.world;
    const next = await openBench(host, {
      limits: { logMaxBytes: 100_000 },
      ports: { workspaces, sandbox, blobs },
    });
    next.agent.script = bench.agent.script;
    expect(await next.ended(id)).toMatchObject({ status: 'failed', reason: 'log_limit' });
  });

  it('ends by disk_limit in its tests too, also where the work cannot be kept', async () => {
    const limits = { diskMaxBytes: 20 * MIB, diskIntervalMs: 100 };
    const world = await createWorld({ limits: { snapshotPackMaxBytes: MIB } });
    const { workspaces, sandbox } = world;
    const bench = await openBench(host, { limits, ports: { workspaces, sandbox } });
    const testCommand = `head -c ${30 * MIB} /dev/urandom > big; ${FOREVER}`;
    const id = await bench.begin({ testCommand, path: world.origin });
    expect(await bench.ended(id)).toMatchObject({ status: 'failed', reason: 'disk_limit' });
  });

  it('tests with an empty home each time, and without a way to models', async () => {
    const bench = await openBench(host);
    bench.agent.script = 'echo x > ~/left; echo x > kept.txt; echo done';
    const ask = `node -e 'require("node:net").connect(8787, "127.0.0.1")
      .on("connect", () => console.log("CONNECTED")).on("error", e => console.log(e.code))'`;
    const testCommand = `echo "$HOME:" $(ls -A ~); echo x > ~/mine; ${ask}; ls kept.txt`;
    const id = await bench.begin({ testCommand });
    expect((await bench.ended(id)).tests).toMatchObject({ after: { exit_code: 0 } });
    const tests = (await bench.events(id)).filter(({ type }) => type === 'tests.finished');
    const [before, after] = tests.map(({ data }) => (data as { output: string }).output);
    expect(before).toMatch(/^\/home\/agent:\nECONNREFUSED\n/);
    expect(after).toBe('/home/agent:\nECONNREFUSED\nkept.txt\n');
  });

  it('ends a test command at its time limit', async () => {
    const bench = await openBench(host, { limits: { testTimeMs: 1_500 } });
    const id = await bench.begin({ testCommand: `echo so far; ${SILENT}` });
    const { before, after } = (await bench.ended(id)).tests;
    expect([before?.exit_code, after?.exit_code]).toEqual([null, null]);
    const [tests] = (await bench.events(id)).filter(({ type }) => type === 'tests.finished');
    expect(tests?.data).toMatchObject({ output: 'so far\n' });
    expect(processesWith(`sleep\0${SILENT_S}`)).toEqual([]);
  });

  it('cancels during the tests before', async () => {
    const bench = await openBench(host);
    const id = await bench.begin({ testCommand: `echo > up.txt; ${SILENT}` });
    await bench.wrote(id, 'up.txt');
    await bench.post(`/v1/runs/${id}/cancel`);
    expect(await bench.ended(id)).toMatchObject({ status: 'canceled', tests: { before: null } });
    expect(bench.agent.contexts).toEqual([]);
  });

  it('makes up for a failed checkpoint though nothing changes any more', async () => {
    let failures = 0;
    const driver = driverWith(host.runs.driver, {
      saveCheckpoint: async (...args) => {
        failures += 1;
        if (failures === 1) throw new HoldfastError('unavailable', 'No database just now.');
        return host.runs.driver.saveCheckpoint(...args);
      },
    });
    const bench = await openBench(host, { ports: { driver } });
    bench.agent.script = 'echo x > once.txt; while :; do echo tool; sleep 0.1; done';
    const id = await bench.begin();
    await waitFor(async () => expect(await bench.types(id)).toContain('checkpoint.saved'));
    await bench.post(`/v1/runs/${id}/cancel`);
    expect(await bench.ended(id)).toMatchObject({ status: 'canceled' });
  });

  it('saves checkpoints at the end of a tool, and after the maximum', async () => {
    const limits = { checkpointMinMs: 100, checkpointMaxMs: 600_000 };
    const bench = await openBench(host, { limits });
    const saved = async (id: string) =>
      (await bench.types(id)).filter(type => type === 'checkpoint.saved').length;
    bench.agent.script = 'sleep 0.3; echo > a.txt; echo tool; read go; echo done Done.';
    const atTool = await bench.begin();
    await waitFor(async () => expect(await saved(atTool)).toBe(1));
    await bench.post(`/v1/tasks/${(await bench.run(atTool)).task_id}/messages`, {
      instruction: 'go',
    });
    expect(await bench.ended(atTool)).toMatchObject({ status: 'succeeded' });
    await bench.worker.stop();
    const other = await openBench(host, { limits: { checkpointMaxMs: 200 } });
    other.agent.script = 'echo > a.txt; for i in 1 2 3 4 5; do echo o; sleep 0.1; done; read go';
    const afterMaximum = await other.begin();
    await waitFor(async () => expect(await saved(afterMaximum)).toBe(1));
    await other.post(`/v1/runs/${afterMaximum}/cancel`);
    await other.ended(afterMaximum);
  });

  describe('steering', () => {
    it('passes a message to the agent', async () => {
      const bench = await openBench(host);
      bench.agent.script = 'echo > up.txt; read said; echo "$said" > said.txt; echo done Done.';
      const id = await bench.begin();
      await bench.wrote(id, 'up.txt');
      const { task_id } = await bench.run(id);
      await bench.post(`/v1/tasks/${task_id}/messages`, { instruction: 'and this' });
      const run = await bench.ended(id);
      expect(run.files_changed.map(file => file.path)).toContain('said.txt');
      expect(await bench.types(id)).toContain('message.steered');
      const { body } = await host.send('GET', `/v1/tasks/${task_id}/runs`);
      expect(body.data).toHaveLength(1);
    });

    it('makes a run of each message that the agent did not take, in order', async () => {
      const bench = await openBench(host);
      bench.agent.takes = false;
      bench.agent.script =
        'echo > up.txt; until [ -e go.txt ]; do sleep 0.1; done; echo done Done.';
      const id = await bench.begin();
      await bench.wrote(id, 'up.txt');
      const { task_id } = await bench.run(id);
      const offered = async (instruction: string) => {
        await bench.post(`/v1/tasks/${task_id}/messages`, { instruction });
        await waitFor(() => expect(bench.agent.offered).toContain(instruction));
      };
      await offered('first');
      bench.agent.takes = true;
      await bench.post(`/v1/tasks/${task_id}/messages`, { instruction: 'second' });
      // Longer than a message takes to arrive.
      await delay(1_500);
      expect(bench.agent.offered).toEqual(['first']);
      writeFileSync(join(cloneOf(bench.world, id), 'go.txt'), '');
      await bench.ended(id);
      await waitFor(() => expect(bench.agent.contexts).toHaveLength(3));
      const instructions = bench.agent.contexts.map(({ instruction }) => instruction);
      expect(instructions).toEqual(['Do it.', 'first', 'second']);
    });
  });

  describe('what cannot begin', () => {
    it('names the command that installs a missing agent', async () => {
      const bench = await openBench(host);
      const install = 'npm install --global scripted';
      bench.agent.version = { available: false, version: null, wantedVersion: '1', install };
      const id = await bench.begin();
      expect(await bench.ended(id)).toMatchObject({ status: 'failed', reason: 'agent_error' });
      const { data } = (await bench.events(id)).at(-1)!;
      expect(data.message).toBe(`Scripted is not installed on this worker. Install it: ${install}`);
    });

    it('reports an unknown agent', async () => {
      const bench = await openBench(host);
      const id = await bench.begin({ agent: 'other' });
      expect(await bench.ended(id)).toMatchObject({ reason: 'agent_error' });
    });

    it('names the missing branch', async () => {
      const bench = await openBench(host);
      const id = await bench.begin({ baseRef: 'nowhere' });
      expect(await bench.ended(id)).toMatchObject({ status: 'failed', reason: 'workspace' });
      expect((await bench.events(id)).at(-1)?.data.message).toContain('nowhere');
    });

    it('is tried again after a failure of the server, and in the end given up', async () => {
      const bench = await openBench(host);
      bench.gateway.failIssuing = new HoldfastError('internal', 'secret-of-ours');
      const id = await bench.begin();
      const { driver } = host.runs;
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        await waitFor(async () => expect((await bench.run(id)).attempt).toBe(attempt));
        await waitFor(() => expect(bench.worker.running).toBe(0));
        if (attempt < 3) await waitFor(async () => expect(await driver.wakeLost()).toBe(1));
        else await waitFor(async () => expect((await driver.claim(id)).kind).toBe('ended'));
      }
      expect(await bench.run(id)).toMatchObject({ status: 'failed', reason: 'worker_lost' });
      expect(JSON.stringify(await bench.events(id))).not.toContain('secret-of-ours');
    });
  });
});
