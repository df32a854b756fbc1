import { beforeEach, describe, expect, it } from 'vitest';
import { HoldfastError, newId } from '../../kernel/index.ts';
import type { Workspace } from './index.ts';
import {
  agentDoes,
  commitFiles,
  confirmed,
  createWorld,
  personGit,
  snapshotOf,
  type World,
} from './testing.ts';

let world: World;
let workspace: Workspace;

beforeEach(async () => {
  world = await createWorld();
  workspace = await world.prepare();
});

async function work(text: string): Promise<string> {
  await agentDoes(world, workspace, `echo ${text} > work.txt`);
  return (await snapshotOf(world, workspace)).commit;
}

const push = (commit: string, branch = workspace.branch, confirm = confirmed) => {
  const { runId: id, baseCommit: base } = workspace;
  return world.workspaces.push(world.source, { id, base, commit, branch }, confirm);
};
const remote = () =>
  personGit(
    world.origin,
    'for-each-ref',
    '--format=%(objectname)',
    `refs/heads/${workspace.branch}`,
  );

describe('a push', () => {
  it('that is forbidden while it waits for the repository leaves the remote as it is', async () => {
    const commit = await work('one');
    const gone = new HoldfastError('gone', 'erased');
    const pushing = push(commit, workspace.branch, () => Promise.reject(gone));
    await expect(pushing).rejects.toMatchObject({ code: 'gone' });
    expect(remote()).toBe('');
  });

  it('that races with a push of others is refused, and removes none of their commits', async () => {
    const commit = await work('one');
    await push(commit);
    personGit(world.origin, 'checkout', '-q', workspace.branch);
    const theirs = commitFiles(world.origin, { 'theirs.txt': 'x\n' });
    await expect(push(await work('two'))).rejects.toMatchObject({ code: 'conflict' });
    expect(remote()).toBe(theirs);
  });

  it('to a branch that others made is refused', async () => {
    personGit(world.origin, 'checkout', '-q', '--orphan', workspace.branch);
    const theirs = commitFiles(world.origin, { 'theirs.txt': 'x\n' });
    await expect(push(await work('one'))).rejects.toMatchObject({ code: 'conflict' });
    expect(remote()).toBe(theirs);
  });

  it.each(['main', 'holdfast/../main', '--all', 'holdfast/', 'holdfast/x:main'])(
    'as %s is refused',
    async branch => {
      const error = push(workspace.baseCommit, branch);
      await expect(error).rejects.toMatchObject({ code: 'invalid_request' });
    },
  );

  it('of a commit that is not here answers gone', async () => {
    await expect(push('1'.repeat(40))).rejects.toMatchObject({ code: 'gone' });
    await expect(push('main')).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('that the remote refuses is reported, without the remote’s message', async () => {
    personGit(world.origin, 'config', 'receive.denyDeletes', 'true');
    personGit(world.origin, 'config', 'transfer.hideRefs', 'refs/heads/holdfast');
    const error = await push(await work('one')).catch(caught => caught);
    expect(error).toMatchObject({ code: 'unprocessable' });
    expect(error.detail).not.toContain(world.folder);
  });

  it('sends once, and answers already_there when it is repeated', async () => {
    const commit = await work('one');
    expect(await push(commit)).toEqual({ outcome: 'pushed' });
    expect(remote()).toBe(commit);
    expect(await push(commit)).toEqual({ outcome: 'already_there' });
  });

  it('replaces its own earlier push, also after a rewrite', async () => {
    await push(await work('one'));
    const second = await work('two');
    expect(await push(second)).toEqual({ outcome: 'pushed' });
    expect(remote()).toBe(second);
  });

  it('goes on from another worker, which knows only the remote', async () => {
    await agentDoes(world, workspace, 'echo 1 > f; git add f; git commit -q -m one');
    const first = await snapshotOf(world, workspace);
    await push(first.commit);
    const other = await world.another();
    const request = { runId: newId('run'), repository: world.source };
    const clone = await other.prepare({ ...request, baseRef: null, baseCommit: first.commit });
    await agentDoes(world, clone, 'echo 2 > f; git commit -q -a -m two');
    const { commit } = await snapshotOf(world, clone);
    const { runId: id, baseCommit: base } = clone;
    const { branch } = workspace;
    const pushed = await other.push(world.source, { id, base, commit, branch }, confirmed);
    expect(pushed).toEqual({ outcome: 'pushed' });
    expect(remote()).toBe(commit);
  });
});
