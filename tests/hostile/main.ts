/**
 * Tries all probes, as the user of this process, and prints what became of them as JSON: inside of
 * bubblewrap or gVisor, with `open` those that have a control in a sandbox that does not isolate.
 *
 *   node main.ts <bubblewrap|gvisor|open> <an empty folder>
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { createSandbox, type SandboxMounts } from '../../packages/server/src/runs/sandbox/index.ts';
import { type Facts, filled, PROBES } from './probes.ts';

/** How a probe ended. */
export interface Outcome {
  readonly name: string;
  readonly outcome: 'held' | 'escaped' | 'late';
}

const LATE_CODE = 124;
const LOOP = `
while IFS= read -r name && IFS= read -r script; do
  timeout --kill-after=1 5 sh -c "$script" < /dev/null > /dev/null 2>&1
  echo "$? $name"
done`;

const [mode, folder = ''] = process.argv.slice(2);
const secret = `s${randomBytes(12).toString('hex')}`;
const undo: (() => void)[] = [];

writeFileSync(join(folder, 'secret.txt'), secret, { mode: 0o644 });
chmodSync(folder, 0o755);
const sandbox = await createSandbox({
  dir: join(folder, 'sandbox'),
  runtime: mode === 'gvisor' ? 'gvisor' : 'bubblewrap',
  bwrap: mode === 'open' ? '/no/such/bwrap' : planting('bwrap'),
  runsc: planting('runsc'),
});
try {
  const facts = await prepare();
  const probes = [...PROBES].filter(([, { control }]) => mode !== 'open' || control);
  const child = sandbox.spawn({ command: ['sh', '-c', LOOP], env: {}, mounts: mounts('run') });
  child.stdin.end(probes.map(([name, one]) => `${name}\n${filled(one, facts)}\n`).join(''));
  child.stderr.resume();
  const outcomes = (await text(child.stdout)).trim().split('\n').map(read);
  const { isolated, note } = sandbox;
  console.log(JSON.stringify({ uid: process.getuid!(), isolated, note, outcomes }));
} finally {
  for (const step of undo) step();
}
process.exit();

function read(line: string): Outcome {
  const [, code, name = ''] = /^(\d+) (.*)$/.exec(line) ?? [];
  if (code === '0') return { name, outcome: 'escaped' };
  return { name, outcome: Number(code) === LATE_CODE ? 'late' : 'held' };
}

/** A program, started by something that left a folder and a file open. */
function planting(program: 'bwrap' | 'runsc'): string {
  const file = join(folder, program);
  const planted = `exec 8<'${folder}/secret.txt' 9<'${folder}'`;
  writeFileSync(file, `#!/bin/sh\n${planted}\nexec ${program} "$@"\n`, { mode: 0o755 });
  return file;
}

/** Everything outside that a probe may look for. */
async function prepare(): Promise<Facts> {
  const name = `holdfast-${randomBytes(6).toString('hex')}`;
  const key = randomBytes(4).readUInt32BE() >>> 1;
  execFileSync('perl', ['-e', `defined shmget(${key}, 4096, 01666) or die`]);
  undo.push(() => execFileSync('ipcrm', ['--shmem-key', String(key)]));
  const shared = join('/dev/shm', secret);
  writeFileSync(shared, secret, { mode: 0o644 });
  undo.push(() => rmSync(shared));
  const outside = spawn('sleep', ['600'], { env: { SECRET: secret }, cwd: folder });
  undo.push(() => outside.kill('SIGKILL'));
  const socket = join(folder, 'secret.sock');
  const server = await listen({ host: '127.0.0.1', port: 0 });
  await listen({ path: socket });
  chmodSync(socket, 0o777);
  await listen({ path: `\0${name}` });
  const { port } = server.address() as AddressInfo;
  const other = await startOther();
  return { secret, folder, pid: outside.pid!, port, socket, abstract: name, key, ...other };
}

async function listen(where: { path: string } | { host: string; port: number }) {
  const server = createServer(socket => socket.on('error', () => {}).end(secret)).listen(where);
  await once(server, 'listening');
  return server;
}

/** Another run, at work on a secret of its own. */
async function startOther() {
  const other = mounts('other');
  writeFileSync(join(other.workspace, 'secret.txt'), secret, { mode: 0o644 });
  const mark = String(10_000_000 + randomBytes(2).readUInt16BE());
  const command = ['sh', '-c', `echo ready; exec sleep ${mark}`];
  const child = sandbox.spawn({ command, env: { SECRET: secret }, mounts: other });
  undo.push(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  // Of what runs in gVisor the machine shows the kernel only.
  if (mode === 'gvisor') return { otherWorkspace: other.workspace, otherPid: child.pid };
  for (;;) {
    const otherPid = readdirSync('/proc').find(pid => isSleeping(pid, mark));
    if (otherPid !== undefined) return { otherWorkspace: other.workspace, otherPid: +otherPid };
    await delay(10);
  }
}

function isSleeping(pid: string, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${mark}\0`;
  } catch {
    return false;
  }
}

function mounts(run: string): SandboxMounts {
  const owner = sandbox.ownerOf(run);
  const [workspace, home] = ['workspace', 'home'].map(part => {
    const path = join(folder, run, part);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (owner) chownSync(path, owner.uid, owner.gid);
    return path;
  }) as [string, string];
  return { workspace, home, readOnly: [], gatewaySocket: null, proxySocket: null };
}
