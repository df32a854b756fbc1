import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eraseRun } from '../store.ts';
import { openOwnRunsHost } from '../testing/databases.ts';
import type { RunsHost } from '../testing/host.ts';
import { commitFiles, personGit } from '../workspace/testing.ts';
import { PUSH_TRIES_MAX, type PusherDeps, pushRun } from './pusher.ts';
import { type Bench, openBench, waitFor } from './testing.ts';

describe('a push', () => {
  let host: RunsHost;
  let bench: Bench;
  let id: string;
  let remote: string;

  beforeAll(async () => {
    host = await openOwnRunsHost();
    return () => host.close();
  });

  beforeEach(async () => {
    bench = await openBench(host);
    remote = join(bench.world.folder, 'remote.git');
    personGit(bench.world.folder, 'clone', '-q', '--bare', bench.world.origin, remote);
    bench.agent.script = 'echo x > new.txt; echo done Done.';
    id = await bench.begin({ path: remote });
    await bench.ended(id);
  });

  const push = (headers: Record<string, string> = {}, caller?: string) =>
    host.send('POST', `/v1/runs/${id}/push`, undefined, {
      headers,
      ...(caller !== undefined && { caller }),
    });
  const outcomes = async () =>
    (await bench.events(id))
      .filter(({ type }) => type.startsWith('push.'))
      .map(({ type, data }) => (type === 'push.intended' ? 'intended' : data.outcome));
  const finished = (count: number) =>
    waitFor(async () => {
      const all = await outcomes();
      expect(all.filter(outcome => outcome !== 'intended')).toHaveLength(count);
      return all;
    });
  const there = (branch: string) =>
    personGit(remote, 'for-each-ref', '--format=%(objectname)', `refs/heads/${branch}`);
  /** As a worker would, without the queue. */
  const tryPush = (deps: Partial<PusherDeps> = {}, retries = 0) =>
    pushRun({ ...bench.deps, ...deps }, id, { id: 'job', data: {}, retries });

  it('is refused to Viewers, and for the runs of others', async () => {
    expect((await push({}, 'Viewer:eve:default')).status).toBe(403);
    expect((await push({}, 'Developer:eve:default')).status).toBeGreaterThanOrEqual(403);
    expect((await push({}, 'Developer:ann:elsewhere')).status).toBe(404);
    expect(await outcomes()).toEqual([]);
  });

  it('puts the branch on the remote once for many requests', async () => {
    const key = { 'idempotency-key': crypto.randomUUID() };
    const first = await push(key);
    expect(first).toMatchObject({ status: 202, body: { id, head_commit: expect.any(String) } });
    expect((await push(key)).status).toBe(202);
    expect(await finished(1)).toEqual(['intended', 'pushed']);
    expect(there(`holdfast/${id}`)).toBe(first.body.head_commit);
    expect((await push(key)).status).toBe(202);
    await push();
    expect(await finished(2)).toEqual(['intended', 'pushed', 'intended', 'already_there']);
  });

  it('of a branch with commits of others fails, and removes none of them', async () => {
    const branch = `holdfast/${id}`;
    personGit(bench.world.origin, 'checkout', '-q', '-b', branch);
    const theirs = commitFiles(bench.world.origin, { 'theirs.txt': 'x\n' });
    personGit(bench.world.origin, 'push', '-q', remote, branch);
    await push();
    expect(await finished(1)).toEqual(['intended', 'failed']);
    expect((await bench.events(id)).at(-1)?.data.message).toContain('not of this run');
    expect(there(branch)).toBe(theirs);
  });

  it('of a branch that changes CI workflows waits for leave', async () => {
    bench.agent.script =
      'mkdir -p .github/workflows; echo x > .github/workflows/a.yml; git add .; ' +
      'git commit -q -m 1; git rm -q .github/workflows/a.yml; git commit -q -m 2; echo done Done.';
    id = await bench.begin({ path: remote });
    await bench.ended(id);
    await push();
    expect(await finished(1)).toEqual(['intended', 'failed']);
    const { data } = (await bench.events(id)).at(-1)!;
    expect(data.ci_changes).toEqual({ files: ['.github/workflows/a.yml'], total: 1 });
    expect(data.message).toMatch(/\.github\/workflows\/a\.yml.*allow_ci_changes/);
    expect(there(`holdfast/${id}`)).toBe('');
    const { body: task } = await host.send('GET', `/v1/runs/${id}`);
    const { body: repo } = await host.send('GET', `/v1/tasks/${task.task_id}`);
    await host.send('PATCH', `/v1/repos/${repo.repo_id}`, { allow_ci_changes: true });
    await push();
    expect(await finished(2)).toEqual(['intended', 'failed', 'intended', 'pushed']);
  });

  it('that was cut off after the remote took it is found there', async () => {
    await bench.worker.stop();
    const { body } = await push();
    const dies = { ...host.log, append: () => Promise.reject(new Error('killed')) };
    await expect(tryPush({ log: dies })).rejects.toThrow();
    expect(there(body.branch)).toBe(body.head_commit);
    expect(await outcomes()).toEqual(['intended']);
    // Asked for once more meanwhile, it is the same push.
    await push();
    // The next worker knows only the remote and the checkpoint.
    const workspaces = await bench.world.another();
    await Promise.all([tryPush({ workspaces }), tryPush({ workspaces })]);
    expect(await outcomes()).toEqual(['intended', 'already_there']);
    await tryPush();
    expect(await outcomes()).toEqual(['intended', 'already_there']);
  });

  it('ends where the run is erased while it waits, and the remote gets nothing', async () => {
    await bench.worker.stop();
    const { body } = await push();
    const { workspaces: real } = bench.deps;
    const erase = () =>
      host.database.transaction(async trx => {
        await eraseRun(trx, id);
        await host.log.erase(trx, id);
      });
    const workspaces = {
      readCheckpoint: key => real.readCheckpoint(key),
      adopt: (...args) => real.adopt(...args),
      ciChanges: (...args) => real.ciChanges(...args),
      push: (...args) => erase().then(() => real.push(...args)),
    } satisfies Partial<typeof real>;
    await tryPush({ workspaces: workspaces as unknown as typeof real });
    expect(there(body.branch)).toBe('');
    expect((await push()).status).toBe(410);
  });

  it('is tried again after a passing failure, but not for ever', async () => {
    await bench.worker.stop();
    await push();
    const away = { ...bench.deps.workspaces, push: () => Promise.reject(new Error('secret')) };
    const workspaces = Object.assign(Object.create(bench.deps.workspaces), away);
    await expect(tryPush({ workspaces }, PUSH_TRIES_MAX - 2)).rejects.toThrow();
    expect(await outcomes()).toEqual(['intended']);
    await tryPush({ workspaces }, PUSH_TRIES_MAX - 1);
    expect(await outcomes()).toEqual(['intended', 'failed']);
    expect(JSON.stringify(await bench.events(id))).not.toContain('secret');
  });

  it('of a run that has not ended, or has no work, is refused', async () => {
    await bench.worker.stop();
    const open = await bench.begin({ path: remote });
    expect((await bench.post(`/v1/runs/${open}/push`)).status).toBe(409);
    await bench.post(`/v1/runs/${open}/cancel`);
    expect((await bench.post(`/v1/runs/${open}/push`)).status).toBe(422);
  });
});
