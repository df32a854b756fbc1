import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { deflateSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../kernel/index.ts';
import { diffSummary } from './diff.ts';
import type { Workspace } from './index.ts';
import { Mirror } from './mirror.ts';
import { importPack } from './quarantine.ts';
import { RunObjects } from './run-objects.ts';
import { readSnapshot } from './snapshot.ts';
import {
  agentDoes,
  confirmed,
  createWorld,
  makeRepository,
  objectsGit,
  personGit,
  snapshotOf,
  type World,
} from './testing.ts';
import { DEFAULT_LIMITS } from './workspace.ts';

let world: World;
let workspace: Workspace;

beforeEach(async () => {
  world = await createWorld({ limits: { snapshotPackMaxBytes: 100_000 } });
  workspace = await world.prepare();
});

function objectsOf({ runId }: Workspace): RunObjects {
  const mirror = new Mirror(
    join(world.dir, 'mirrors', `${world.source.id}.mirror`),
    DEFAULT_LIMITS,
  );
  const dir = join(world.dir, 'objects', world.source.id, runId);
  return new RunObjects(dir, DEFAULT_LIMITS, mirror);
}

/** Exists as soon as the server ran something for the agent: inside, its folder is not there. */
const owned = () => join(world.folder, 'owned');

/** Everything that makes git run a program, in a configuration file. */
function trap(): string {
  const run = `touch ${owned()}`;
  return `
    mkdir -p .git/hooks
    for hook in pre-commit post-commit post-checkout reference-transaction post-index-change
    do printf '#!/bin/sh\\n${run}\\n' > .git/hooks/$hook; chmod +x .git/hooks/$hook; done
    git config core.hooksPath .git/hooks
    git config core.fsmonitor '${run}; true'
    git config core.sshCommand '${run}'
    git config core.gitProxy '${run}'
    git config core.alternateRefsCommand '${run}'
    git config core.pager '${run}'
    git config uploadpack.packObjectsHook '${run}'
    git config credential.helper '!${run}'
    git config gpg.program '${run}'
    git config commit.gpgSign true
    git config diff.external '${run}'
    git config diff.evil.textconv '${run}; cat'
    git config diff.evil.command '${run}'
    git config filter.evil.clean '${run}; cat'
    git config filter.evil.smudge '${run}; cat'
    git config filter.evil.required true
    git config merge.evil.driver '${run}'
    git config url.ext::sh.insteadOf /
    printf '* filter=evil diff=evil merge=evil\\n' > .gitattributes
    echo changed > README.md`;
}

describe('hostile configuration', () => {
  it('runs something for a plain user of git: the control', async () => {
    await agentDoes(world, workspace, trap());
    const args = ['-c', 'safe.directory=*', 'status'];
    execFileSync('git', args, { cwd: workspace.dir, stdio: 'ignore' });
    expect(existsSync(owned())).toBe(true);
  });

  it('runs nothing as the server, from snapshot to removal', async () => {
    await agentDoes(world, workspace, trap());
    const snapshot = await snapshotOf(world, workspace);
    const { files } = await workspace.diff(snapshot.commit);
    expect(files.map(file => file.path)).toEqual(['.gitattributes', 'README.md']);
    expect(await text(await workspace.patch(snapshot.commit))).toContain('+changed');
    const manifest = await workspace.saveCheckpoint(1, snapshot, await workspace.keepHome());
    const { runId: id, branch, baseCommit: base } = workspace;
    const work = { id, branch, base, commit: snapshot.commit };
    await world.workspaces.push(world.source, work, confirmed);
    const request = { runId: workspace.runId, repository: world.source };
    const restored = await world.workspaces.restore(
      { ...request, baseRef: null, baseCommit: null },
      manifest,
    );
    await snapshotOf(world, restored);
    await restored.remove();
    expect(existsSync(owned())).toBe(false);
  });

  it('of a repository that is added runs nothing either', async () => {
    const evil = join(world.folder, 'evil');
    const run = `touch ${owned()}`;
    makeRepository(evil, { '.gitattributes': '* filter=evil diff=evil\n', a: 'a\n' });
    personGit(evil, 'config', 'uploadpack.packObjectsHook', run);
    personGit(evil, 'config', 'core.fsmonitor', run);
    personGit(evil, 'config', 'core.sshCommand', run);
    personGit(evil, 'config', 'filter.evil.smudge', run);
    const repository = { ...world.source, id: newId('rpo'), path: evil };
    const request = { runId: newId('run'), repository, baseRef: null, baseCommit: null };
    const clone = await world.workspaces.prepare(request);
    await agentDoes(world, clone, 'echo b > a');
    await clone.diff((await snapshotOf(world, clone)).commit);
    expect(existsSync(owned())).toBe(false);
  });
});

describe('objects of another repository', () => {
  const SECRET = 'the other project keeps this to itself\n';
  let secretBlob: string;
  let otherObjects: string;

  beforeEach(async () => {
    const other = join(world.folder, 'other');
    makeRepository(other, { 'secret.txt': SECRET });
    secretBlob = personGit(other, 'rev-parse', 'HEAD:secret.txt');
    const repository = { ...world.source, id: newId('rpo'), path: other };
    const request = { runId: newId('run'), repository, baseRef: null, baseCommit: null };
    otherObjects = (await world.workspaces.prepare(request)).readOnlyPaths[0]!;
    expect(existsSync(otherObjects)).toBe(true);
  });

  it.each([
    ['alternates', 'echo "$OTHER" >> .git/objects/info/alternates'],
    ['objects that are a link', 'rm -rf .git/objects; ln -s "$OTHER" .git/objects'],
    ['a repository that is a link', 'rm -rf .git; ln -s "$OTHER/.." .git'],
    ['a file in place of the repository', 'rm -rf .git; echo "gitdir: $OTHER/.." > .git'],
    ['includes', 'git config include.path "$OTHER/../config"'],
    ['links in the tree', 'ln -s "$OTHER" link; ln -s "$OTHER/../HEAD" file'],
  ])('do not come along by %s', async (_, script) => {
    await agentDoes(
      world,
      workspace,
      `OTHER=${otherObjects}
       git update-index --add --info-only --cacheinfo 100644,${secretBlob},stolen.txt
       echo mine > mine.txt\n${script}`,
    );
    const { commit } = await snapshotOf(world, workspace);
    const { files } = await workspace.diff(commit);
    expect(files.map(file => file.path)).toContain('mine.txt');
    expect(await text(await workspace.patch(commit))).not.toContain(SECRET.trim());
    expect(() => objectsGit(world, workspace, 'cat-file', '-e', secretBlob)).toThrow();
  });
});

describe('trees', () => {
  it('with links out of the workspace stay links', async () => {
    await agentDoes(
      world,
      workspace,
      'ln -s /etc/shadow shadow; ln -s /etc etc; ln -s ../../../../etc/passwd up; ln -s / root',
    );
    const { commit } = await snapshotOf(world, workspace);
    const listed = objectsGit(world, workspace, 'ls-tree', commit, 'shadow', 'etc', 'up', 'root');
    expect(listed.match(/^120000 blob/gm)).toHaveLength(4);
    const patch = await text(await workspace.patch(commit));
    expect(patch).toContain('+/etc/shadow');
    expect(patch).not.toContain('root:');
  });

  it('with submodules fetch nothing', async () => {
    await agentDoes(
      world,
      workspace,
      `git update-index --add --cacheinfo 160000,${'1'.repeat(40)},sub; mkdir sub
       printf '[submodule "sub"]\\n path = sub\\n url = https://127.0.0.1:9/x\\n' > .gitmodules`,
    );
    const snapshot = await snapshotOf(world, workspace);
    const manifest = await workspace.saveCheckpoint(1, snapshot, await workspace.keepHome());
    const { runId } = workspace;
    const request = { runId, repository: world.source, baseRef: null, baseCommit: null };
    const restored = await world.workspaces.restore(request, manifest);
    expect(readdirSync(join(restored.dir))).toContain('.gitmodules');
  });

  it('too large for a snapshot are refused, and may be made smaller', async () => {
    await agentDoes(world, workspace, 'head -c 150000 /dev/urandom > big');
    await expect(snapshotOf(world, workspace)).rejects.toMatchObject({ code: 'payload_too_large' });
    expect(
      readdirSync(objectsOf(workspace).dir).filter(name => name.startsWith('quarantine')),
    ).toEqual([]);
    await agentDoes(world, workspace, 'rm big; echo small > small');
    const { files } = await workspace.diff((await snapshotOf(world, workspace)).commit);
    expect(files.map(file => file.path)).toEqual(['small']);
  });
});

describe('a forged pack', () => {
  let forge: string;
  let objects: RunObjects;
  let base: string;

  beforeEach(() => {
    forge = join(world.folder, 'forge');
    personGit(world.folder, 'clone', '-q', world.origin, 'forge');
    objects = objectsOf(workspace);
    base = workspace.baseCommit;
  });

  const write = (type: string, content: Buffer) => {
    const args = ['hash-object', '-t', type, '--literally', '-w', '--stdin'];
    return execFileSync('git', args, { cwd: forge, input: content, encoding: 'utf8' }).trim();
  };
  const tree = (...entries: [mode: string, name: string, id: string][]) =>
    write(
      'tree',
      Buffer.concat(
        entries.map(([mode, name, id]) =>
          Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]),
        ),
      ),
    );
  const commitOf = (treeId: string, parent?: string) =>
    personGit(forge, 'commit-tree', treeId, '-m', 'forged', ...(parent ? ['-p', parent] : []));
  const pack = (...objects: string[]) =>
    execFileSync('git', ['pack-objects', '--stdout', '-q'], {
      cwd: forge,
      input: objects.join('\n'),
    });
  const take = (bytes: Buffer, commit: string, previous: string | null = null) =>
    importPack(objects, Readable.from([bytes]), {
      commit,
      others: [],
      base,
      previous,
      maxBytes: 10_000,
      timeoutMs: 20_000,
    });
  const refused = { code: 'unprocessable' };

  it('that is sound is taken: the control', async () => {
    const blob = write('blob', Buffer.from('x'));
    const files = tree(['100644', 'x', blob]);
    const commit = commitOf(files, base);
    await take(pack(blob, files, commit), commit);
    expect(await objects.hasCommit(commit)).toBe(true);
  });

  it.each(['..', '.', '.git', '.GIT', 'a/b', 'git~1', ''])(
    'with %j in a tree is refused',
    async name => {
      const blob = write('blob', Buffer.from('x'));
      const files = tree(['100644', name, blob]);
      const commit = commitOf(files, base);
      await expect(take(pack(blob, files, commit), commit)).rejects.toMatchObject(refused);
      expect(await objects.hasCommit(commit)).toBe(false);
    },
  );

  it('with a link as .gitmodules, or options as address, is refused', async () => {
    const target = write('blob', Buffer.from('/etc/passwd'));
    const link = tree(['120000', '.gitmodules', target]);
    const first = commitOf(link, base);
    await expect(take(pack(target, link, first), first)).rejects.toMatchObject(refused);
    const config = write(
      'blob',
      Buffer.from('[submodule "a"]\n\tpath = a\n\turl = --upload-pack=x'),
    );
    const files = tree(['100644', '.gitmodules', config]);
    const second = commitOf(files, base);
    await expect(take(pack(config, files, second), second)).rejects.toMatchObject(refused);
  });

  it('that lacks objects is refused', async () => {
    const blob = write('blob', Buffer.from('never sent'));
    const files = tree(['100644', 'x', blob]);
    const commit = commitOf(files, base);
    await expect(take(pack(files, commit), commit)).rejects.toMatchObject(refused);
    await expect(take(pack(commit), commit)).rejects.toMatchObject(refused);
    await expect(take(pack(blob), commit)).rejects.toMatchObject(refused);
  });

  it('whose commit does not descend from the base is refused', async () => {
    const blob = write('blob', Buffer.from('x'));
    const files = tree(['100644', 'x', blob]);
    const commit = commitOf(files);
    await expect(take(pack(blob, files, commit), commit)).rejects.toMatchObject(refused);
  });

  it('that names what is no commit, or a commit of another run, is refused', async () => {
    const blob = write('blob', Buffer.from('x'));
    await expect(take(pack(blob), blob)).rejects.toMatchObject(refused);
    const other = await world.prepare();
    await agentDoes(world, other, 'echo theirs > theirs.txt');
    const theirs = await snapshotOf(world, other);
    await expect(take(pack(blob), theirs.commit)).rejects.toMatchObject(refused);
  });

  it('that is cut short, none, or too large is refused', async () => {
    const blob = write('blob', Buffer.from('x'));
    const whole = pack(blob);
    await expect(take(whole.subarray(0, -5), blob)).rejects.toMatchObject(refused);
    await expect(take(Buffer.from('PACK and nothing'), blob)).rejects.toMatchObject(refused);
    await expect(take(Buffer.alloc(0), blob)).rejects.toMatchObject(refused);
    await expect(take(Buffer.alloc(10_001), blob)).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    expect(readdirSync(objects.dir).filter(name => name.startsWith('quarantine'))).toEqual([]);
  });

  it('whose few bytes claim gigabytes is refused within the memory of one git', async () => {
    const result = take(deltaBomb(), 'a'.repeat(40));
    await expect(result).rejects.toMatchObject({
      ...refused,
      cause: { output: expect.stringMatching(/out of memory/i) },
    });
  });
});

/** A pack of three objects: a megabyte, 64 of it, and 200 times a quarter of that: 3.1 GiB. */
function deltaBomb(): Buffer {
  const MIB = 1024 ** 2;
  const base = Buffer.alloc(MIB);
  const middle = Buffer.alloc(64 * MIB);
  const objects = [
    packed(3, base),
    packed(6 + 1, delta(base.length, MIB - 1, 64, 64), idOf(base)),
    packed(6 + 1, delta(middle.length, 16 * MIB - 1, 200, 0), idOf(middle)),
  ];
  const head = Buffer.from('PACK\0\0\0\x02\0\0\0\x03', 'latin1');
  const body = Buffer.concat([head, ...objects]);
  return Buffer.concat([body, createHash('sha1').update(body).digest()]);
}

function idOf(blob: Buffer): Buffer {
  return createHash('sha1').update(`blob ${blob.length}\0`).update(blob).digest();
}

/** Copies the start of the base `times` times, then inserts `more` zeros (gitformat-pack). */
function delta(baseBytes: number, copyBytes: number, times: number, more: number): Buffer {
  const copy = [0xf0, copyBytes & 255, (copyBytes >> 8) & 255, copyBytes >> 16];
  const result = copyBytes * times + more;
  const copies = Array.from({ length: times }, () => copy).flat();
  const insert = more === 0 ? [] : [more, ...Array.from({ length: more }, () => 0)];
  return Buffer.from([...varint(baseBytes), ...varint(result), ...copies, ...insert]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push(128 | (rest % 128));
  }
}

/** One object of a pack: type and size, the name of what it is a delta of, deflated content. */
function packed(type: number, content: Buffer, base: Buffer = Buffer.alloc(0)): Buffer {
  const low = (type << 4) | (content.length & 15);
  const high = Math.floor(content.length / 16);
  const size = high === 0 ? [low] : [128 | low, ...varint(high)];
  return Buffer.concat([Buffer.from(size), base, deflateSync(content)]);
}

describe('a large file', () => {
  it('that costs the agent nothing is not read to be compared', async () => {
    await agentDoes(world, workspace, 'truncate -s 40M sparse.bin; echo more >> README.md');
    const { commit } = await snapshotOf(world, workspace);
    const { files, insertions } = await workspace.diff(commit);
    expect(files).toMatchObject([
      { path: 'README.md', status: 'modified', insertions: 1 },
      { path: 'sparse.bin', status: 'added', insertions: null },
    ]);
    expect(insertions).toBe(1);
    await expect(workspace.patch(commit)).rejects.toMatchObject({
      code: 'payload_too_large',
      message: expect.stringMatching(/sparse\.bin has 41943040 bytes.* at most 33554432/),
    });
  });

  it('that was moved and changed is not read to be found again', async () => {
    await agentDoes(world, workspace, 'truncate -s 33M a.bin; truncate -s 34M c.bin');
    const first = await snapshotOf(world, workspace);
    await agentDoes(world, workspace, 'mv a.bin b.bin; mv c.bin d.bin; echo x >> d.bin');
    const second = await snapshotOf(world, workspace);
    const commits = { base: first.commit, commit: second.commit };
    const { files } = await diffSummary(objectsOf(workspace), commits, 10);
    expect(files.map(file => [file.status, file.path])).toEqual([
      ['renamed', 'b.bin'],
      ['deleted', 'c.bin'],
      ['added', 'd.bin'],
    ]);
  });
});

describe('a forged line before the pack', () => {
  const id = 'a'.repeat(40);

  it.each([
    ['no word', `${id} ${id} ${id}\n`],
    ['options', `holdfast-snapshot --all ${id} ${id}\n`],
    ['a name of a ref', `holdfast-snapshot HEAD ${id} ${id}\n`],
    ['more', `holdfast-snapshot ${id} ${id} ${id} ${id}\n`],
    ['a line without end', 'x'.repeat(100_000)],
  ])('with %s is refused', async (_, line) => {
    const output = Readable.from([Buffer.from(line)], { objectMode: false });
    await expect(readSnapshot(output)).rejects.toMatchObject({ code: 'unprocessable' });
  });

  it('that never comes is reported by the exit code', async () => {
    const { work } = await readSnapshot(Readable.from([], { objectMode: false }));
    expect(work).toBeNull();
  });

  it('is split from the pack wherever the chunks are cut', async () => {
    const bytes = Buffer.from(`holdfast-snapshot ${id} ${id} ${id}\nPACK\nmore`);
    for (const at of [1, 50, 141, 142, 143]) {
      const chunks = [bytes.subarray(0, at), bytes.subarray(at)];
      const { work, pack } = await readSnapshot(Readable.from(chunks, { objectMode: false }));
      expect(work?.commit).toBe(id);
      expect(await text(Readable.from(pack))).toBe('PACK\nmore');
    }
  });
});
