import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../kernel/index.ts';
import { LEFTOVER_AGE_MS, PACKS_MAX } from './bare-repository.ts';
import type { Workspace } from './index.ts';
import {
  agentDoes,
  commitFiles,
  confirmed,
  createWorld,
  keeping,
  objectsGit,
  personGit,
  snapshotOf,
  type World,
} from './testing.ts';

const LIST = ['cat-file', '--batch-all-objects', '--batch-check=%(objectname)'];

let world: World;
let first: Workspace;

beforeEach(async () => {
  world = await createWorld();
  first = await world.prepare();
});

/** Every object that a process in the sandbox of this run can name. */
async function seenBy(of: Workspace): Promise<Set<string>> {
  const { stdout } = await agentDoes(world, of, `git '${LIST.join("' '")}'`);
  return new Set(stdout.trim().split('\n'));
}

/** Commits and files that only the first run made, taken over by the server. */
async function secretWork() {
  await agentDoes(
    world,
    first,
    'echo committed > secret.txt; git add .; git commit -q -m secret; echo loose > secret.txt',
  );
  const { commit } = await snapshotOf(world, first);
  const { baseCommit: base } = first;
  const list = objectsGit(
    world,
    first,
    'rev-list',
    '--objects',
    '--no-object-names',
    commit,
    `^${base}`,
  );
  const made = list.split('\n');
  expect(made.length).toBeGreaterThanOrEqual(6);
  return { commit, made };
}

/** The objects of all repositories on this worker. */
function onDisk(): string[] {
  const found: string[] = [];
  for (const path of readdirSync(world.dir, { recursive: true, encoding: 'utf8' })) {
    const dir = join(world.dir, path);
    if (!existsSync(join(dir, 'HEAD')) || !existsSync(join(dir, 'objects'))) continue;
    found.push(...personGit(dir, '-c', 'safe.directory=*', ...LIST).split('\n'));
  }
  return found;
}

describe('the objects of a run', () => {
  it('are seen by that run, and by no other, before or after', async () => {
    const beside = await world.prepare();
    const remote = await seenBy(beside);
    const { commit, made } = await secretWork();
    const own = await seenBy(first);
    expect(made.filter(id => !own.has(id))).toEqual([]);
    await first.remove();
    const later = await world.prepare();
    for (const other of [beside, later]) {
      expect(await seenBy(other)).toEqual(remote);
      const { stdout } = await agentDoes(world, other, `git cat-file -e ${commit} || echo none`);
      expect(stdout).toBe('none\n');
    }
    // Nor is its commit a place to start from.
    await expect(world.prepare(commit)).rejects.toMatchObject({ code: 'unprocessable' });
  });

  it('are seen by a run that continues it, as a copy that outlives them', async () => {
    const { commit, made } = await secretWork();
    await first.remove();
    const { runId, baseCommit } = first;
    const next = await world.workspaces.prepare({
      runId: newId('run'),
      repository: world.source,
      baseRef: null,
      baseCommit,
      continues: { runId, commit },
    });
    const isLive = async (id: string) => id === next.runId;
    await world.workspaces.tidy(keeping(isLive, runId));
    const seen = await seenBy(next);
    expect(made.filter(id => !seen.has(id))).toEqual([]);
    const { stdout } = await agentDoes(world, next, 'cat secret.txt; git fsck --strict');
    expect(stdout).toBe('loose\n');
    const { files } = await next.diff((await snapshotOf(world, next)).commit);
    expect(files.map(({ path }) => path)).toEqual(['secret.txt']);
  });

  it('leave the disk when the run is erased, with all that names it', async () => {
    const { made } = await secretWork();
    const kept = await world.prepare();
    await agentDoes(world, kept, 'echo kept > kept.txt');
    await snapshotOf(world, kept);
    await first.remove();
    await world.workspaces.tidy(keeping(async () => false));
    expect(onDisk()).toEqual(expect.arrayContaining(made));
    await world.workspaces.tidy(keeping(async () => false, first.runId));
    const left = onDisk();
    expect(made.filter(id => left.includes(id))).toEqual([]);
    const mirror = join(world.dir, 'mirrors', `${world.source.id}.mirror`);
    const refs = personGit(mirror, 'for-each-ref', '--format=%(refname)', 'refs/holdfast');
    expect(refs).toBe(`refs/holdfast/bases/${kept.runId}`);
    const names = readdirSync(world.dir, { recursive: true, encoding: 'utf8' });
    expect(names.filter(name => name.includes(first.runId))).toEqual([]);
    expect(names.some(name => name.includes(kept.runId))).toBe(true);
  });

  it('go where the disk is full, but not those of a live run', async () => {
    const { made } = await secretWork();
    const tight = await world.another({ dir: world.dir, limits: { diskMaxBytes: 1 } });
    await tight.tidy(keeping(async () => true));
    expect(onDisk()).toEqual(expect.arrayContaining(made));
    await first.remove();
    await tight.tidy(keeping(async () => true));
    expect(onDisk()).toEqual([]);
  });

  it('become one pack of many once the run has ended, also without the mirror', async () => {
    const { commit, made } = await secretWork();
    const packs = () =>
      readdirSync(join(first.objectsDir, 'objects/pack')).filter(name => name.endsWith('.pack'));
    const sample = packs()[0]!.replace('.pack', '');
    for (let n = 0; n <= PACKS_MAX; n++) {
      // Any name will do: the same objects once more.
      const name = `pack-${createHash('sha1').update(`${n}`).digest('hex')}`;
      for (const kind of ['pack', 'idx']) {
        const folder = join(first.objectsDir, 'objects/pack');
        cpSync(join(folder, `${sample}.${kind}`), join(folder, `${name}.${kind}`));
      }
    }
    await world.workspaces.tidy(keeping(async () => true));
    expect(packs().length).toBeGreaterThan(PACKS_MAX);
    await first.remove();
    rmSync(join(world.dir, 'mirrors', `${world.source.id}.mirror`), { recursive: true });
    await world.workspaces.tidy(keeping(async () => false));
    expect(packs()).toHaveLength(1);
    expect(onDisk()).toEqual(expect.arrayContaining(made));
    const { runId: id, branch, baseCommit: base } = first;
    const work = { id, branch, base, commit };
    const pushed = await world.workspaces.push(world.source, work, confirmed);
    expect(pushed).toEqual({ outcome: 'pushed' });
  });

  it('can be pushed after the remote dropped their base and the mirror was tidied', async () => {
    personGit(world.origin, 'checkout', '-q', '-b', 'side');
    const base = commitFiles(world.origin, { 'side.txt': 'x\n' });
    first = await world.prepare('side');
    const { commit } = await secretWork();
    await first.remove();
    personGit(world.origin, 'checkout', '-q', 'main');
    personGit(world.origin, 'branch', '-q', '-D', 'side');
    await world.prepare();
    const mirror = join(world.dir, 'mirrors', `${world.source.id}.mirror`);
    await world.workspaces.tidy(keeping(async () => false));
    personGit(mirror, 'repack', '-a', '-d', '-q');
    const { runId: id, branch } = first;
    const work = { id, branch, base, commit };
    const pushed = await world.workspaces.push(world.source, work, confirmed);
    expect(pushed).toEqual({ outcome: 'pushed' });
  });
});

describe('a worker that was killed', () => {
  const objects = () => join(world.dir, 'objects', world.source.id, first.runId);
  const mirror = () => join(world.dir, 'mirrors', `${world.source.id}.mirror`);
  const again = () => {
    const { runId, baseCommit } = first;
    const request = { runId, repository: world.source, baseRef: null, baseCommit };
    return world.workspaces.prepare(request);
  };

  it.each([
    [
      'while it made the objects',
      () => {
        rmSync(objects(), { recursive: true });
        mkdirSync(`${objects()}.new/objects`, { recursive: true });
      },
    ],
    [
      'while it put the mirror behind them',
      () => {
        writeFileSync(join(objects(), 'objects/info/alternates'), '/half/a/pa');
      },
    ],
    ['between base and objects', () => rmSync(objects(), { recursive: true })],
  ])('%s goes on', async (_, leave) => {
    leave();
    const next = await again();
    await agentDoes(world, next, 'echo x > x; git add x; git commit -q -m x; git fsck --strict');
    const { files } = await next.diff((await snapshotOf(world, next)).commit);
    expect(files.map(({ path }) => path)).toEqual(['x']);
  });

  it('leaves nothing that stays', async () => {
    const { made } = await secretWork();
    const old = new Date(Date.now() - LEFTOVER_AGE_MS - 1000);
    mkdirSync(join(objects(), 'quarantine-1'));
    utimesSync(join(objects(), 'quarantine-1'), old, old);
    personGit(mirror(), 'update-ref', 'refs/holdfast/bases/run_x', first.baseCommit);
    await world.workspaces.tidy(keeping(async () => true));
    expect(readdirSync(objects())).not.toContain('quarantine-1');
    const refs = personGit(mirror(), 'for-each-ref', '--format=%(refname)', 'refs/holdfast');
    expect(refs).toBe(`refs/holdfast/bases/${first.runId}`);
    expect(onDisk()).toEqual(expect.arrayContaining(made));
  });
});

it('a mirror of version 0.1, with the work of all runs, is not used, and goes', async () => {
  const former = join(world.dir, 'mirrors', `${world.source.id}.git`);
  personGit(world.folder, 'clone', '-q', '--mirror', world.origin, former);
  const commit = personGit(former, 'commit-tree', '-m', 'erased', 'HEAD^{tree}');
  personGit(former, 'update-ref', 'refs/holdfast/runs/run_x', commit);
  const run = join(world.dir, 'runs', 'run_old');
  mkdirSync(run);
  writeFileSync(join(run, 'repository'), world.source.id);
  const next = await world.prepare();
  expect(await seenBy(next)).not.toContain(commit);
  await world.workspaces.tidy(keeping(async () => true));
  expect(existsSync(former)).toBe(true);
  await world.workspaces.tidy(keeping(async id => id !== 'run_old'));
  expect(existsSync(former)).toBe(false);
  expect(onDisk()).not.toContain(commit);
  expect(relative(world.dir, next.dir)).toBe(`runs/${next.runId}/workspace`);
  await agentDoes(world, next, 'git fsck --strict');
});
