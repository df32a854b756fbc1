import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventEnvelope, Run } from '@holdfast/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findBubblewrap } from '../../tools/services/binaries.ts';
import { RunsApi } from './harness/runs.ts';
import { forEachStack, type Stack, startStack } from './harness/stacks.ts';

const ENDINGS = ['run.succeeded', 'run.failed', 'run.canceled'];

function expectWhole(events: readonly EventEnvelope[]): void {
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  expect(ENDINGS).toContain(events.at(-1)?.type);
}

// Without it nothing is isolated, and these tests would fail; it is installed where allowed.
beforeAll(() => findBubblewrap());

forEachStack((name, start) => {
  let stack: Stack;
  let api: RunsApi;
  beforeAll(async () => {
    stack = await start();
    api = new RunsApi(stack.url);
  });

  it('fixes the sample repository, shows each step, gives a patch that applies', async () => {
    const repo = await api.sample();
    const task = await api.post('/v1/tasks', {
      repo_id: repo.id,
      title: 'Make the tests pass',
      instruction: 'Fix the failing test.',
    });
    const [first] = await api.start(task.id, ['builtin']);
    const events = await api.follow(first!.id);
    expectWhole(events);
    const types = events.map(({ type }) => type);
    for (const type of ['run.created', 'run.started', 'tool.started', 'patch.created']) {
      expect(types).toContain(type);
    }
    for (const server of stack.servers) {
      const run = await new RunsApi(server.url).run(first!.id);
      expect(run).toMatchObject({ status: 'succeeded', reason: null, attempt: 1, isolated: true });
      expect(run.tests).toMatchObject({ before: { exit_code: 1 }, after: { exit_code: 0 } });
      expect(run.usage.calls).toBeGreaterThan(0);
      expect(run.files_changed.map(({ path }) => path)).toEqual(['sum.js']);
    }
    await expectApplies(repo.path!, await api.patch(first!.id));
  });

  // What replicas share is seen above; the rest is the same with one and with two.
  if (name === 'two replicas') return;

  it('runs agents side by side, and one of them is picked', async () => {
    const repo = await api.sample();
    const body = { repo_id: repo.id, title: 'Twice', instruction: 'Write a note.' };
    const task = await api.post('/v1/tasks', body);
    const runs = await api.start(task.id, ['builtin', 'builtin']);
    expect(runs).toHaveLength(2);
    const logs = await Promise.all(runs.map(({ id }) => api.follow(id)));
    for (const events of logs) expectWhole(events);
    await api.post(`/v1/runs/${runs[1]!.id}/pick`);
    expect((await api.run(runs[1]!.id)).picked).toBe(true);
    expect((await api.run(runs[0]!.id)).picked).toBe(false);
  });

  it('cancels, twice if asked twice, and keeps what was done', async () => {
    const run = await api.working('[[simulate: steps 30]] [[simulate: slow 500]] Write notes.');
    await api.until(run.id, 'tool.finished');
    await api.post(`/v1/runs/${run.id}/cancel`);
    await api.post(`/v1/runs/${run.id}/cancel`);
    const events = await api.follow(run.id);
    expectWhole(events);
    expect(events.at(-1)?.type).toBe('run.canceled');
    expect(events.filter(({ type }) => type === 'run.cancel_requested')).toHaveLength(1);
    expect(await api.run(run.id)).toMatchObject({ status: 'canceled', reason: 'canceled' });
    expect((await api.request(`/v1/runs/${run.id}/patch`)).status).toBe(200);
  });

  it('gives the agent no secret of the server', async () => {
    const run = await api.working('[[simulate: env]] Look around.');
    const events = await api.follow(run.id);
    expectWhole(events);
    const log = JSON.stringify(events);
    expect(log).toContain('HOME=');
    for (const secret of stack.secrets) expect(log).not.toContain(secret);
  });
});

describe('a worker that goes away', () => {
  let stack: Stack;
  let api: RunsApi;
  beforeAll(async () => {
    stack = await startStack('production', { server: { HOLDFAST_ROLES: 'gateway,api' } });
    api = new RunsApi(stack.url);
  });
  afterAll(() => stack.stop());

  const addWorker = () =>
    stack.addServer({ HOLDFAST_ROLES: 'gateway,api,worker', HOLDFAST_SHUTDOWN_GRACE: '20' });
  const LONG = '[[simulate: steps 9]] [[simulate: slow 1200]] Write notes.';

  const resumed = (events: readonly EventEnvelope[]) =>
    events.find(({ type }) => type === 'run.resumed')?.data;

  async function expectGoneOn(run: Run, reason: string): Promise<void> {
    const events = await api.follow(run.id);
    expectWhole(events);
    expect(resumed(events)).toMatchObject({ reason, checkpoint: expect.any(Number) });
    expect(await api.run(run.id)).toMatchObject({ status: 'succeeded', attempt: 2 });
  }

  it('by SIGTERM: saves, hands the run back, and another goes on', async () => {
    const first = await addWorker();
    const run = await api.working(LONG, await api.addRepository(await scratch()));
    await api.until(run.id, 'tool.finished');
    const second = await addWorker();
    expect(await first.process.stop()).toBe(0);
    await expectGoneOn(run, 'drain');
    await second.process.stop();
  });

  it('by SIGKILL: another goes on from the last checkpoint', async () => {
    const first = await addWorker();
    const run = await api.working(LONG, await api.addRepository(await scratch()));
    await api.until(run.id, 'checkpoint.saved');
    const second = await addWorker();
    await first.process.kill();
    await expectGoneOn(run, 'worker_lost');
    await second.process.stop();
  });
});

const scratchFolders: string[] = [];
afterAll(async () => {
  for (const folder of scratchFolders) await rm(folder, { recursive: true, force: true });
});

/** A repository of its own with one commit. */
async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-repository-'));
  scratchFolders.push(folder);
  await writeFile(join(folder, 'README.md'), '# Scratch\n');
  const git = (...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@localhost', ...args], {
      cwd: folder,
    });
  git('init', '--quiet', '--initial-branch=main');
  git('add', '.');
  git('commit', '--quiet', '--message=Start');
  return folder;
}

async function expectApplies(repository: string, patch: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-apply-'));
  scratchFolders.push(folder);
  execFileSync('git', ['clone', '--quiet', repository, folder]);
  execFileSync('git', ['apply', '--index', '-'], { cwd: folder, input: patch });
  execFileSync(process.execPath, ['--test'], { cwd: folder, stdio: 'ignore' });
}
