import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../kernel/index.ts';
import { parseDiff, showPath } from './diff.ts';
import type { Workspace } from './index.ts';
import {
  agentDoes,
  commitFiles,
  createWorld,
  objectsGit,
  personGit,
  snapshotOf,
  type World,
} from './testing.ts';

let world: World;

beforeEach(async () => {
  world = await createWorld();
});

function repository(change: object) {
  return { ...world.source, ...change };
}

async function prepareFrom(change: object, id = newId('rpo')): Promise<Workspace> {
  return world.workspaces.prepare({
    runId: newId('run'),
    repository: repository({ id, ...change }),
    baseRef: null,
    baseCommit: null,
  });
}

describe('a repository', () => {
  it.each([
    ['file:///etc', 'url'],
    ['ext::sh -c touch% /tmp/owned', 'url'],
    ['--upload-pack=touch /tmp/owned', 'url'],
    ['http://example.com/a.git', 'url'],
    ['git://example.com/a.git', 'url'],
    ['ssh://-oProxyCommand=touch/x', 'url'],
    ['relative/path', 'path'],
    ['--upload-pack=x', 'path'],
  ])('at %s is refused', async (address, field) => {
    const source = repository({ url: null, path: null, [field]: address });
    const expected = { code: 'unprocessable', field };
    await expect(world.workspaces.inspect(source)).rejects.toMatchObject(expected);
    await expect(prepareFrom({ url: null, path: null, [field]: address })).rejects.toMatchObject(
      expected,
    );
  });

  it('that is none, or is empty, is refused without details', async () => {
    const nothing = join(world.folder, 'nothing');
    const error = await world.workspaces
      .inspect(repository({ path: nothing }))
      .catch(caught => caught);
    expect(error).toMatchObject({ code: 'unprocessable' });
    expect(error.detail).not.toContain(world.folder);
    personGit(world.folder, 'init', '-q', 'empty');
    const empty = repository({ path: join(world.folder, 'empty') });
    await expect(world.workspaces.inspect(empty)).rejects.toThrow('no commits yet');
  });

  it('reports its default branch', async () => {
    expect(await world.workspaces.inspect(world.source)).toEqual({ defaultBranch: 'main' });
    personGit(world.origin, 'checkout', '-q', '-b', 'trunk');
    expect(await world.workspaces.inspect(world.source)).toEqual({ defaultBranch: 'trunk' });
    const given = { ...world.source, defaultBranch: 'trunk' };
    expect(await world.workspaces.inspect(given)).toEqual({ defaultBranch: 'trunk' });
    personGit(world.origin, 'tag', 'only-a-tag');
    for (const defaultBranch of ['none', 'only-a-tag', 'heads/trunk', 'HEAD']) {
      const expected = { code: 'unprocessable', field: 'default_branch' };
      const wrong = { ...world.source, defaultBranch };
      await expect(world.workspaces.inspect(wrong)).rejects.toMatchObject(expected);
    }
  });

  it('that is too large is refused and leaves nothing', async () => {
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
    commitFiles(world.origin, { noise });
    const limited = await world.another({ limits: { repositoryMaxBytes: 50_000 } });
    const request = { runId: newId('run'), repository: world.source };
    await expect(limited.prepare({ ...request, baseRef: null, baseCommit: null })).rejects.toThrow(
      'larger than 50000 bytes',
    );
    const left = readdirSync(join(world.folder, 'worker-2', 'mirrors'));
    expect(left.filter(name => !name.includes('.lock'))).toEqual([]);
  });
});

describe('a base', () => {
  it('that is missing is named', async () => {
    await expect(world.prepare('no-such-branch')).rejects.toMatchObject({
      code: 'unprocessable',
      field: 'base_ref',
      detail: 'The repository has no branch, tag or commit no-such-branch.',
    });
    for (const ref of ['main~1', '--all', 'main..x', '@{-1}', ':/work']) {
      await expect(world.prepare(ref)).rejects.toMatchObject({ code: 'unprocessable' });
    }
  });

  it('is a branch, a tag or a commit', async () => {
    const first = personGit(world.origin, 'rev-parse', 'HEAD');
    personGit(world.origin, 'tag', '-a', 'v1', '-m', 'first');
    const second = commitFiles(world.origin, { 'new.txt': 'new\n' });
    expect((await world.prepare()).baseCommit).toBe(second);
    expect((await world.prepare('main')).baseCommit).toBe(second);
    expect((await world.prepare('v1')).baseCommit).toBe(first);
    expect((await world.prepare(first)).baseCommit).toBe(first);
  });

  it('that is named exactly is used, or answers gone', async () => {
    const request = { runId: newId('run'), repository: world.source, baseRef: 'main' };
    const first = personGit(world.origin, 'rev-parse', 'HEAD');
    commitFiles(world.origin, { 'new.txt': 'new\n' });
    const workspace = await world.workspaces.prepare({ ...request, baseCommit: first });
    expect(workspace.baseCommit).toBe(first);
    await expect(
      world.workspaces.prepare({ ...request, baseCommit: '1'.repeat(40) }),
    ).rejects.toMatchObject({ code: 'gone' });
  });
});

describe('a clone', () => {
  it('is on the branch of its run, and takes commits', async () => {
    const workspace = await world.prepare();
    expect(workspace.branch).toBe(`holdfast/${workspace.runId}`);
    const { stdout } = await agentDoes(
      world,
      workspace,
      `git status --porcelain; git branch --show-current; git log --format=%s
       echo more >> README.md; git commit -q -a -m mine; git log --format=%s | head -1`,
    );
    expect(stdout).toBe(`${workspace.branch}\nwork\nmine\n`);
  });

  it('cannot change the mirror behind it', async () => {
    const workspace = await world.prepare();
    const objects = workspace.readOnlyPaths[0]!;
    const { stdout } = await agentDoes(
      world,
      workspace,
      `touch ${objects}/x || echo refused; ls ${objects}/../refs ${objects}/.. || echo unseen`,
    );
    expect(stdout).toContain('refused');
    expect(stdout).not.toContain('heads');
  });

  it('is made eight times at once, and two attempts work at once', async () => {
    const clones = await Promise.all(Array.from({ length: 8 }, () => world.prepare()));
    const works = clones.slice(0, 2).map(async (clone, number) => {
      await agentDoes(world, clone, `echo ${number} > by-${number}.txt`);
      const { commit } = await snapshotOf(world, clone);
      return (await clone.diff(commit)).files.map(file => file.path);
    });
    expect(await Promise.all(works)).toEqual([['by-0.txt'], ['by-1.txt']]);
    expect(new Set(clones.map(clone => clone.dir)).size).toBe(8);
  });

  it('is removed whole, also without the rights that the agent took away', async () => {
    const workspace = await world.prepare();
    await agentDoes(world, workspace, 'mkdir -p a/b; touch a/b/c; chmod 0 a/b a');
    await workspace.remove();
    expect(existsSync(workspace.dir)).toBe(false);
    await workspace.remove();
  });
});

describe('a snapshot', () => {
  it('holds commits, index and files that are not ignored', async () => {
    const workspace = await world.prepare();
    await agentDoes(
      world,
      workspace,
      `echo committed > a.txt; git add a.txt; git commit -q -m first
       echo staged > b.txt; git add b.txt
       echo loose > c.txt; rm README.md
       mkdir ignored; echo no > ignored/d.txt`,
    );
    const { commit, changed } = await snapshotOf(world, workspace);
    expect(changed).toBe(true);
    const listed = objectsGit(world, workspace, 'ls-tree', '-r', '--name-only', commit).split('\n');
    expect(listed).toEqual(['.gitignore', 'a.txt', 'b.txt', 'c.txt', 'image.bin', 'src/main.txt']);
    expect(
      objectsGit(world, workspace, 'log', '--format=%s', `${workspace.baseCommit}..${commit}`),
    ).toBe('Work in progress\nfirst');
    // Neither index nor head of the agent moved.
    const { stdout } = await agentDoes(
      world,
      workspace,
      'git status --porcelain; git log -1 --format=%s',
    );
    expect(stdout).toBe(' D README.md\nA  b.txt\n?? c.txt\nfirst\n');
  });

  it('reports that nothing changed', async () => {
    const workspace = await world.prepare();
    const baseTree = objectsGit(world, workspace, 'rev-parse', `${workspace.baseCommit}^{tree}`);
    const untouched = { headCommit: workspace.baseCommit, indexTree: baseTree };
    expect(await snapshotOf(world, workspace)).toEqual({
      ...untouched,
      commit: workspace.baseCommit,
      changed: true,
    });
    await agentDoes(world, workspace, 'echo new > new.txt');
    const first = await snapshotOf(world, workspace);
    expect(first).toEqual({ ...untouched, commit: first.commit, changed: true });
    expect(await snapshotOf(world, workspace)).toEqual({ ...first, changed: false });
    await agentDoes(world, workspace, 'git add new.txt');
    expect(await snapshotOf(world, workspace)).toEqual({
      ...first,
      indexTree: objectsGit(world, workspace, 'rev-parse', `${first.commit}^{tree}`),
      changed: true,
    });
  });

  it('waits for the one before, with many at once', async () => {
    const workspace = await world.prepare();
    await agentDoes(world, workspace, 'echo new > new.txt');
    const snapshots = await Promise.all([1, 2, 3].map(() => snapshotOf(world, workspace)));
    expect(snapshots.map(snapshot => snapshot.changed)).toEqual([true, false, false]);
    expect(new Set(snapshots.map(snapshot => snapshot.commit)).size).toBe(1);
  });

  it('goes on from the one before, forwards and back', async () => {
    const workspace = await world.prepare();
    await agentDoes(world, workspace, 'echo 1 > f; git add f; git commit -q -m one');
    const one = await snapshotOf(world, workspace);
    await agentDoes(world, workspace, 'echo 2 > f; git commit -q -a -m two');
    const two = await snapshotOf(world, workspace);
    expect(objectsGit(world, workspace, 'rev-parse', `${two.commit}^`)).toBe(one.commit);
    await agentDoes(world, workspace, 'git reset -q --hard HEAD^');
    expect(await snapshotOf(world, workspace)).toEqual({ ...one, changed: true });
    await agentDoes(world, workspace, 'git reset -q --hard HEAD^');
    const back = await snapshotOf(world, workspace);
    expect(back).toEqual({
      commit: workspace.baseCommit,
      headCommit: workspace.baseCommit,
      indexTree: objectsGit(world, workspace, 'rev-parse', `${workspace.baseCommit}^{tree}`),
      changed: true,
    });
  });

  it.each([
    ['a repository that was thrown away', 'rm -rf .git'],
    [
      'a repository that was made anew',
      'rm -rf .git; git init -q .; git commit -q --allow-empty -m x',
    ],
    ['a broken index', 'echo nonsense > .git/index'],
    ['a lock that is held', 'touch .git/index.lock .git/HEAD.lock'],
    [
      'a merge that is not done',
      `
      git checkout -q -b other; echo a > README.md; git commit -q -a -m a
      git checkout -q -; echo b > README.md; git commit -q -a -m b
      git merge -q other || true`,
    ],
    ['a repository within', 'git init -q inner; echo x > inner/x'],
    ['a file that cannot be read', 'echo x > closed; chmod 0 closed'],
    [
      'a socket and a pipe',
      `mkfifo pipe; node -e 'require("net").createServer().listen("s", process.exit)'`,
    ],
  ])('succeeds with %s', async (_, script) => {
    const workspace = await world.prepare();
    await agentDoes(world, workspace, `echo found > found.txt\n${script}`);
    const { commit } = await snapshotOf(world, workspace);
    const { files } = await workspace.diff(commit);
    expect(files.map(file => file.path)).toContain('found.txt');
  });
});

describe('a diff', () => {
  it('counts lines, and knows binary files, renames and kinds', async () => {
    const workspace = await world.prepare();
    await agentDoes(
      world,
      workspace,
      `printf 'one\\n2\\nthree\\nfour\\n' > src/main.txt
       git mv README.md 'READ ME.md'
       printf '\\000\\001\\002\\003' > image.bin
       printf 'a\\nb\\n' > new.txt; rm .gitignore; ln -s new.txt .gitignore`,
    );
    const { commit } = await snapshotOf(world, workspace);
    const file = (path: string, change: object) => ({
      path,
      old_path: null,
      insertions: null,
      deletions: null,
      ...change,
    });
    expect(await workspace.diff(commit)).toEqual({
      files: [
        file('.gitignore', { status: 'type_changed', insertions: 1, deletions: 1 }),
        file('READ ME.md', {
          status: 'renamed',
          old_path: 'README.md',
          insertions: 0,
          deletions: 0,
        }),
        file('image.bin', { status: 'modified' }),
        file('new.txt', { status: 'added', insertions: 2, deletions: 0 }),
        file('src/main.txt', { status: 'modified', insertions: 2, deletions: 1 }),
      ],
      insertions: 5,
      deletions: 2,
    });
  });

  it('as a patch applies to the base and gives the same files', async () => {
    const workspace = await world.prepare();
    await agentDoes(
      world,
      workspace,
      `printf '\\000\\377changed' > image.bin; git mv README.md b.md
       echo x > "$(printf 'odd\\tname\\377')"
       chmod +x src/main.txt; rm .gitignore`,
    );
    const { commit } = await snapshotOf(world, workspace);
    const patch = await text(await workspace.patch(commit));
    writeFileSync(join(world.folder, 'a.patch'), patch);
    personGit(world.origin, 'apply', '--index', join(world.folder, 'a.patch'));
    const tree = personGit(world.origin, 'write-tree');
    expect(tree).toBe(objectsGit(world, workspace, 'rev-parse', `${commit}^{tree}`));
    const paths = (await workspace.diff(commit)).files.map(file => file.path);
    expect(paths).toContain('odd\\x09name\\xff');
  });

  it('is bounded', async () => {
    const small = await world.another({ limits: { patchMaxBytes: 2_000, filesMax: 2 } });
    const request = { runId: newId('run'), repository: world.source };
    const workspace = await small.prepare({ ...request, baseRef: null, baseCommit: null });
    await agentDoes(world, workspace, 'for n in 1 2 3; do echo $n > f$n; done');
    const few = await snapshotOf(world, workspace);
    const diff = await workspace.diff(few.commit);
    expect(diff.files.map(file => file.path)).toEqual(['f1', 'f2']);
    expect(diff.insertions).toBe(3);
    expect(await text(await workspace.patch(few.commit))).toContain('+3');
    await agentDoes(world, workspace, 'seq 1000 > f1');
    const many = await snapshotOf(world, workspace);
    await expect(workspace.patch(many.commit).then(text)).rejects.toMatchObject({
      code: 'payload_too_large',
    });
  });

  it('of a commit that is not here answers gone', async () => {
    const workspace = await world.prepare();
    for (const commit of ['1'.repeat(40), '--output=/tmp/owned', 'HEAD']) {
      await expect(workspace.diff(commit)).rejects.toMatchObject({ code: 'gone' });
      await expect(workspace.patch(commit)).rejects.toMatchObject({ code: 'gone' });
    }
  });

  it('shows paths that are not text escaped', () => {
    expect(showPath(Buffer.from('größe'))).toBe('größe');
    expect(showPath(Buffer.from([0x61, 0xff, 0x0a]))).toBe('a\\xff\\x0a');
    expect(parseDiff(Buffer.alloc(0), 5)).toEqual({ files: [], insertions: 0, deletions: 0 });
  });
});
