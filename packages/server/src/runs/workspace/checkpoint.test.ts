import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../kernel/index.ts';
import { putSealed } from '../../platform/blobs/index.ts';
import { LEFTOVER_AGE_MS, PACKS_MAX } from './bare-repository.ts';
import { sizeOf } from './disk.ts';
import { type Checkpoint, createWorkspaces, type Workspace } from './index.ts';
import { agentDoes, commitFiles, createWorld, keeping, snapshotOf, type World } from './testing.ts';

let world: World;
let workspace: Workspace;

beforeEach(async () => {
  world = await createWorld({ limits: { homeMaxBytes: 200_000 } });
  workspace = await world.prepare();
});

/** The state of an agent that tests compare: files, modes, links, index, head, home. */
const STATE = `
  git status --porcelain=v1; git ls-files --stage; git rev-parse HEAD; git branch --show-current
  find . -path ./.git -prune -o -print | sort
  find . -path ./.git -prune -o -type f -print | sort | xargs sha256sum
  cd "$HOME"; find . | sort; find . -type f -print0 | sort -z | xargs -0 -r sha256sum
  find . -type l -exec readlink {} +; find . -printf '%m %p\\n' | sort`;

const WORK = `
  echo one > a.txt; git add a.txt; git commit -q -m one
  echo staged > b.txt; git add b.txt; echo and more >> b.txt
  echo loose > c.txt; chmod +x c.txt; ln -s a.txt link; rm README.md
  mkdir -p "$HOME/.agent/sessions"; cd "$HOME/.agent/sessions"
  echo session > 1.jsonl; chmod 600 1.jsonl; ln -s 1.jsonl latest; ln -s /etc/passwd outside
  touch "$(printf 'a name of more than one hundred characters %0100d' 7)"`;

async function save(number: number): Promise<Checkpoint> {
  const home = await workspace.keepHome();
  return workspace.saveCheckpoint(number, await snapshotOf(world, workspace), home);
}

async function stateOf(of: Workspace): Promise<string> {
  return (await agentDoes(world, of, STATE)).stdout;
}

function requestFor() {
  const { runId } = workspace;
  return { runId, repository: world.source, baseRef: null, baseCommit: null };
}

async function keys(): Promise<string[]> {
  const found: string[] = [];
  for await (const key of world.blobs.list('workspaces/')) found.push(key);
  return found.sort();
}

describe('a checkpoint', () => {
  it('restores files, index, head and home on another worker', async () => {
    await agentDoes(world, workspace, WORK);
    const before = await stateOf(workspace);
    const manifest = await save(1);
    await workspace.remove();
    commitFiles(world.origin, { 'later.txt': 'later work\n' });
    const elsewhere = await world.another();
    const stored = await elsewhere.readCheckpoint(manifest.manifestKey);
    expect(stored).toEqual(manifest);
    const restored = await elsewhere.restore(requestFor(), stored);
    expect(restored.baseCommit).toBe(workspace.baseCommit);
    expect(restored.branch).toBe(workspace.branch);
    expect(await stateOf(restored)).toBe(before);
    expect(await snapshotOf(world, restored)).toEqual({
      commit: manifest.commit,
      headCommit: manifest.headCommit,
      indexTree: manifest.indexTree,
      changed: false,
    });
    await agentDoes(world, restored, 'git commit -q -m "and on"; git fsck --strict');
  });

  it('without changes has no pack, and restores all the same', async () => {
    const manifest = await save(1);
    expect(manifest).toMatchObject({ packKey: null, commit: workspace.baseCommit });
    const restored = await (await world.another()).restore(requestFor(), manifest);
    expect(await stateOf(restored)).toBe(await stateOf(workspace));
  });

  it('keeps the one before, until there is one more', async () => {
    const numbers = async () => [...new Set((await keys()).map(key => key.split('/')[2]))];
    for (const [number, left] of [
      [1, ['1']],
      [2, ['1', '2']],
      [3, ['2', '3']],
    ] as const) {
      await agentDoes(world, workspace, `echo ${number} > n`);
      await save(number);
      expect(await numbers()).toEqual(left);
    }
    expect(
      (await keys()).filter(key => key.startsWith(`workspaces/${workspace.runId}/3/`)),
    ).toEqual(expect.arrayContaining([expect.stringMatching(/manifest\.json$/)]));
  });

  it('leaves nothing that can be read beside the home, where its process is killed', async () => {
    const word = 'a word that only the agent knows';
    await agentDoes(world, workspace, `echo "${word}" > "$HOME/said"`);
    // The process ends here.
    await workspace.keepHome();
    const folder = join(world.dir, 'runs', workspace.runId);
    const [left, ...others] = readdirSync(folder).filter(name => name.startsWith('home-'));
    expect(others).toEqual([]);
    const bytes = readFileSync(join(folder, left!));
    expect(bytes.length).toBeGreaterThan(100);
    expect(() => gunzipSync(bytes)).toThrow('incorrect header check');
    expect(bytes.includes(word)).toBe(false);
  });

  it('of an outdated snapshot is refused', async () => {
    const snapshot = await snapshotOf(world, workspace);
    await agentDoes(world, workspace, 'echo new > new');
    await snapshotOf(world, workspace);
    const home = await workspace.keepHome();
    await expect(workspace.saveCheckpoint(1, snapshot, home)).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it('whose home is too large is refused and leaves no manifest', async () => {
    await agentDoes(world, workspace, 'head -c 250000 /dev/zero > "$HOME/big"');
    await expect(save(1)).rejects.toMatchObject({ code: 'payload_too_large' });
    expect((await keys()).filter(key => /manifest|home/.test(key))).toEqual([]);
  });

  it('that is gone, or damaged, answers gone', async () => {
    await agentDoes(world, workspace, WORK);
    const manifest = await save(1);
    const other = await world.another();
    await world.blobs.delete(manifest.homeKey);
    await expect(other.restore(requestFor(), manifest)).rejects.toMatchObject({ code: 'gone' });
    await world.blobs.delete(manifest.packKey!);
    const third = await world.another();
    await expect(third.restore(requestFor(), manifest)).rejects.toMatchObject({ code: 'gone' });
    expect(readdirSync(join(world.folder, 'worker-3', 'runs'))).toEqual([]);
    const missing = other.readCheckpoint(`workspaces/${workspace.runId}/9/x/manifest.json`);
    await expect(missing).rejects.toMatchObject({ code: 'gone' });
  });

  it('gives its commits to a worker that continues from them', async () => {
    await agentDoes(world, workspace, WORK);
    const manifest = await save(1);
    const other = await world.another();
    const { runId, baseCommit } = workspace;
    const continues = { runId, commit: manifest.commit };
    const request = { ...requestFor(), runId: newId('run'), baseCommit, continues };
    await expect(other.prepare(request)).rejects.toMatchObject({ code: 'gone' });
    await other.adopt(world.source, runId, manifest);
    const next = await other.prepare(request);
    const { stdout } = await agentDoes(world, next, 'cat c.txt; git log -2 --format=%s');
    expect(stdout).toBe('loose\nWork in progress\none\n');
  });
});

describe('an archive of a home', () => {
  const replaceHome = async (manifest: Checkpoint, bytes: Buffer) => {
    const place = { subject: workspace.runId, key: manifest.homeKey.replace(/\.sealed$/, '') };
    const options = { contentType: 'application/gzip', maxBytes: 1_000_000 };
    const { key } = await putSealed(world, place, Readable.from([bytes]), options);
    expect(key).toBe(manifest.homeKey);
  };

  it('cannot write outside of the sandbox', async () => {
    const manifest = await save(1);
    const entries = [
      tarEntry('../escaped', 'x'),
      tarEntry('../workspace/../../escaped', 'x'),
      tarEntry(join(world.folder, 'escaped'), 'x'),
      tarLink('out', world.folder),
      tarEntry('out/escaped', 'x'),
      tarEntry('inside', 'good'),
    ];
    await replaceHome(manifest, gzipSync(Buffer.concat([...entries, Buffer.alloc(1024)])));
    const other = await world.another();
    await other.restore(requestFor(), manifest).catch(() => {});
    const runs = join(world.folder, 'worker-2', 'runs');
    const everywhere = [world.folder, runs, join(world.folder, 'worker-2')];
    for (const folder of everywhere) expect(readdirSync(folder)).not.toContain('escaped');
  });

  it('that grows without end is stopped', async () => {
    const manifest = await save(1);
    await replaceHome(manifest, gzipSync(Buffer.alloc(10_000_000)));
    const other = await world.another();
    await expect(other.restore(requestFor(), manifest)).rejects.toMatchObject({
      code: 'payload_too_large',
    });
  });

  it('that is none is refused', async () => {
    const manifest = await save(1);
    await replaceHome(manifest, Buffer.from('not gzip'));
    await expect((await world.another()).restore(requestFor(), manifest)).rejects.toThrow();
  });
});

describe('tidying', () => {
  const dirOf = (part: string) => readdirSync(join(world.dir, part));
  const mirrors = () => dirOf('mirrors').filter(name => name.endsWith('.mirror'));

  it('removes folders of runs that no worker drives, and nothing else', async () => {
    const other = await world.prepare();
    await agentDoes(world, other, 'mkdir closed; touch closed/x; chmod 0 closed');
    writeFileSync(join(world.dir, 'runs', '.keep'), '');
    await world.workspaces.tidy(keeping(async runId => runId === workspace.runId));
    expect(dirOf('runs').sort()).toEqual(['.keep', workspace.runId]);
    expect(mirrors()).toHaveLength(1);
  });

  it('removes mirrors over the bound, least recently used first, never one in use', async () => {
    world = await createWorld({ limits: { diskMaxBytes: 1 } });
    const clone = await world.prepare();
    await world.workspaces.tidy(keeping(async () => true));
    expect(mirrors()).toHaveLength(1);
    await agentDoes(world, clone, 'git log -1');
    await clone.remove();
    await world.workspaces.tidy(keeping(async () => true));
    expect(mirrors()).toEqual([]);
    // And it comes back when it is needed.
    expect((await world.prepare()).baseCommit).toBe(clone.baseCommit);
  });

  it('makes one pack of many once no clone leans on them, and loses nothing', async () => {
    const packs = () =>
      readdirSync(join(workspace.readOnlyPaths[0]!, 'pack')).filter(name => name.endsWith('.pack'));
    await agentDoes(world, workspace, 'echo kept > kept.txt');
    const { commit } = await snapshotOf(world, workspace);
    const sample = join(workspace.readOnlyPaths[0]!, 'pack', packs()[0]!.replace('.pack', ''));
    for (let n = 0; n <= PACKS_MAX; n++) {
      // Any name will do: the same objects once more.
      for (const kind of ['pack', 'idx']) {
        const name = createHash('sha1').update(`${n}`).digest('hex');
        cpSync(`${sample}.${kind}`, join(workspace.readOnlyPaths[0]!, `pack/pack-${name}.${kind}`));
      }
    }
    await world.workspaces.tidy(keeping(async () => true));
    expect(packs().length).toBeGreaterThan(PACKS_MAX);
    await world.workspaces.tidy(keeping(async () => false));
    expect(packs()).toHaveLength(1);
    expect((await workspace.diff(commit)).files.map(file => file.path)).toEqual(['kept.txt']);
  });

  it('sweeps old leftovers of killed processes', async () => {
    const mirror = join(workspace.readOnlyPaths[0]!, '..');
    const old = new Date(Date.now() - LEFTOVER_AGE_MS - 1000);
    const left = ['quarantine-1', 'packed-refs.lock', 'objects/pack/tmp_pack_1', 'refs/a.lock'];
    for (const name of left) {
      writeFileSync(join(mirror, name), '');
      utimesSync(join(mirror, name), old, old);
    }
    writeFileSync(join(mirror, 'refs/young.lock'), '');
    await world.workspaces.tidy(keeping(async () => true));
    expect(left.filter(name => existsSync(join(mirror, name)))).toEqual([]);
    expect(existsSync(join(mirror, 'refs/young.lock'))).toBe(true);
  });

  it('keeps the mirror that was used last when one of two must go', async () => {
    const second = { ...world.source, id: newId('rpo') };
    const request = { runId: newId('run'), repository: second, baseRef: null, baseCommit: null };
    const clone = await world.workspaces.prepare(request);
    await agentDoes(world, clone, 'true');
    await Promise.all([clone.remove(), workspace.remove()]);
    const size = mirrors().length;
    expect(size).toBe(2);
    const diskMaxBytes = (await sizeOf(world.dir)) - 1;
    const { blobs, sealer, sandbox, dir } = world;
    const tight = await createWorkspaces({ blobs, sealer, sandbox, dir, limits: { diskMaxBytes } });
    await tight.tidy(keeping(async () => false));
    expect(mirrors()).toEqual([`${second.id}.mirror`]);
  });
});

function tarHeader(name: string, size: number, type: string, link = ''): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, 100);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(link, 157, 100);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

function tarEntry(name: string, content: string): Buffer {
  const body = Buffer.alloc(512);
  body.write(content);
  return Buffer.concat([tarHeader(name, content.length, '0'), body]);
}

function tarLink(name: string, target: string): Buffer {
  return tarHeader(name, 0, '2', target);
}
