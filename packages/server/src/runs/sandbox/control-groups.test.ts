import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ControlGroups, ownControlGroups } from '../../platform/isolation/index.ts';
import { isolatedSandbox, mountsFor, temporaryFolder } from './testing.ts';

const MIB = 1024 ** 2;
const LIMITS = { memoryMaxBytes: 256 * MIB, processesMax: 100, cpuWeight: 25 };

/** Takes so much memory in a process of its own, and says so. */
const taking = (mib: number) =>
  `node -e 'const b = Buffer.alloc(${mib} * 2 ** 20, 1); console.log("took", b.length)' || true`;

async function take(mib: number) {
  const folder = await temporaryFolder();
  const sandbox = await isolatedSandbox(folder, { memoryMaxBytes: LIMITS.memoryMaxBytes });
  const mounts = await mountsFor(sandbox, folder);
  const child = sandbox.spawn({ command: ['sh', '-c', taking(mib)], env: {}, mounts });
  child.stdin.end();
  child.stderr.resume();
  const said = (await child.stdout.setEncoding('utf8').toArray()).join('');
  await child.exited;
  return { said, ranOutOfMemory: child.ranOutOfMemory };
}

it('bounds the memory of a command where the machine allows, and tells that it did', async () => {
  // A machine without groups for this user has only the watch on memory.
  const isBounded = ownControlGroups() !== undefined;
  expect(await take(50)).toEqual({ said: `took ${50 * MIB}\n`, ranOutOfMemory: false });
  const much = { said: isBounded ? '' : `took ${400 * MIB}\n`, ranOutOfMemory: isBounded };
  expect(await take(400)).toEqual(much);
});

it('gives a command a quarter of the weight for disks where the machine has such weights', () => {
  const group = ownControlGroups()?.create(LIMITS);
  onTestFinished(() => group?.remove());
  const root = '/sys/fs/cgroup/blkio';
  const mark = `holdfast-run-${process.pid}-`;
  const folders = existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }) : [];
  const files = folders
    .filter(name => name.includes(mark) && name.endsWith('/blkio.bfq.weight'))
    .map(name => readFileSync(join(root, name), 'utf8'));
  expect(files).toEqual(files.map(() => '25\n'));
  // Root with such a hierarchy can give weights where the kernel has them at all.
  const hasWeights = folders.some(name => name.endsWith('/blkio.bfq.weight'));
  if (process.getuid?.() === 0 && hasWeights) expect(files.length).toBeGreaterThan(0);
});

describe('on a tree of files like the kernel’s', () => {
  async function tree(files: Readonly<Record<string, string>>): Promise<string> {
    const root = await temporaryFolder();
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(root, path, '..'), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return root;
  }
  const made = (dir: string) => {
    const name = readdirSync(dir).find(one => one.startsWith(`holdfast-run-${process.pid}-`))!;
    const files = readdirSync(join(dir, name));
    return Object.fromEntries(
      files.map(file => [file, readFileSync(join(dir, name, file), 'utf8')]),
    );
  };

  it('makes groups of version 1 in each hierarchy, below our own group', async () => {
    const kinds = ['memory', 'pids', 'cpu', 'blkio'];
    const files = kinds.map(kind => [`${kind}/svc/cgroup.procs`, '1\n']);
    const root = await tree(Object.fromEntries(files));
    const cgroup = kinds.map((kind, n) => `${n}:${kind}:/outer/svc`).join('\n');
    const mountinfo = kinds
      .map((kind, n) => `3${n} 20 0:2${n} /outer ${root}/${kind} rw - cgroup cgroup rw,${kind}`)
      .join('\n');
    const group = new ControlGroups(`${cgroup}\n5:freezer:/\n`, mountinfo).create(LIMITS);
    group.add(77);
    expect(made(`${root}/memory/svc`)).toEqual({
      'memory.limit_in_bytes': String(256 * MIB),
      'cgroup.procs': '77',
    });
    expect(made(`${root}/pids/svc`)).toMatchObject({ 'pids.max': '100' });
    expect(made(`${root}/cpu/svc`)).toMatchObject({ 'cpu.shares': '256' });
    expect(made(`${root}/blkio/svc`)).toMatchObject({ 'blkio.bfq.weight': '25' });
    expect(group.ranOutOfMemory).toBe(false);
  });

  const VERSION_2 = {
    'svc/cgroup.procs': '',
    'svc/cgroup.controllers': 'cpuset cpu io memory pids\n',
    'svc/cgroup.subtree_control': '',
    'svc/server/cgroup.procs': '1\n',
  };
  const version2 = async (files: Readonly<Record<string, string>>, path = '/svc/server') => {
    const root = await tree({ ...VERSION_2, ...files });
    const mountinfo = `30 20 0:26 / ${root} rw - cgroup2 cgroup2 rw,nsdelegate`;
    return { root, groups: new ControlGroups(`0::${path}\n`, mountinfo) };
  };

  it('makes groups of version 2 beside our own, in a delegated parent', async () => {
    const { root, groups } = await version2({});
    groups.create(LIMITS).add(77);
    expect(readFileSync(join(root, 'svc/cgroup.subtree_control'), 'utf8')).toBe(
      '+cpu +memory +pids +io',
    );
    expect(made(`${root}/svc`)).toEqual({
      'memory.max': String(256 * MIB),
      'memory.swap.max': '0',
      'memory.oom.group': '1',
      'pids.max': '100',
      'cpu.weight': '25',
      'io.weight': '25',
      'io.bfq.weight': '25',
      'cgroup.procs': '77',
    });
  });

  it('makes groups of version 2 without weights for disks where these cannot be', async () => {
    const { root, groups } = await version2({ 'svc/cgroup.controllers': 'cpu memory pids\n' });
    expect(groups.isEmpty).toBe(false);
    expect(readFileSync(join(root, 'svc/cgroup.subtree_control'), 'utf8')).toBe(
      '+cpu +memory +pids',
    );
  });

  it('makes none of version 2 where the parent has processes or lacks a controller', async () => {
    expect((await version2({ 'svc/cgroup.procs': '1\n' })).groups.isEmpty).toBe(true);
    expect((await version2({ 'svc/cgroup.controllers': 'cpu pids\n' })).groups.isEmpty).toBe(true);
    expect((await version2({}, '/')).groups.isEmpty).toBe(true);
    expect((await version2({})).groups.isEmpty).toBe(false);
  });
});
