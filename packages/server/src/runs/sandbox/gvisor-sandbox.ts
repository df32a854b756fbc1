import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex, PassThrough, type Writable } from 'node:stream';
import { confine } from '../../platform/isolation/index.ts';
import { bridgedProcess } from './bridged-process.ts';
import { BUNDLE, containerSpec, type GvisorSettings, runscCommand } from './gvisor.ts';
import { GvisorMemory } from './gvisor-memory.ts';
import { accounts, bridgeOrder, CPU_WEIGHT, commandOwner, pathsInside } from './inside.ts';
import type { Sandbox, SandboxCommand, SandboxedProcess, SandboxOwner } from './sandbox.ts';
import { ownerOf } from './user-ids.ts';

const START_FD = 3;
/**
 * The machine counts threads of gVisor's kernel, which ends with everything inside where it gets no
 * further one. It holds what is inside to the limit itself, and has some ten threads for each.
 */
const KERNEL_THREADS_MAX = 500;
const THREADS_PER_PROCESS = 20;
/** A server that is an ordinary user has only its own user to give, whom gVisor calls root. */
const OWN_USER_INSIDE: SandboxOwner = { uid: 0, gid: 0 };

/** Processes in gVisor, each command in a kernel of its own, with the bridge as first program. */
export function createGvisorSandbox(settings: GvisorSettings): Sandbox {
  return {
    isolated: true,
    note: null,
    ownerOf: runId => settings.ids && ownerOf(runId, settings.ids),
    paths: pathsInside,
    spawn: command => spawnInGvisor(settings, command),
    close: async () => {},
  };
}

function spawnInGvisor(settings: GvisorSettings, command: SandboxCommand): SandboxedProcess {
  const { mounts } = command;
  const owner = commandOwner(mounts, settings.ids) ?? OWN_USER_INSIDE;
  const dir = mkdtempSync(join(tmpdir(), 'holdfast-bundle-'));
  const remove = () => rmSync(dir, { recursive: true, force: true });
  const line = openControlLine(join(dir, BUNDLE.control));
  try {
    for (const [name, text] of Object.entries(accounts(owner))) {
      writeFileSync(join(dir, BUNDLE[name as 'passwd' | 'group']), text, { mode: 0o644 });
    }
    if (settings.ids) chownSync(join(dir, BUNDLE.control), owner.uid, owner.gid);
    const spec = containerSpec(settings, mounts, { dir, owner });
    writeFileSync(join(dir, BUNDLE.spec), JSON.stringify(spec));
    const { memoryMaxBytes, processesMax } = settings.resources;
    const group = settings.groups?.create({
      memoryMaxBytes,
      processesMax: KERNEL_THREADS_MAX + THREADS_PER_PROCESS * processesMax,
      cpuWeight: CPU_WEIGHT,
    });
    // Its control socket is named after the id, for all processes of the machine.
    const id = `holdfast-${randomBytes(12).toString('hex')}`;
    const [program = '', ...args] = runscCommand(settings, dir, id);
    const child = spawn(program, args, {
      env: {},
      cwd: '/',
      detached: true,
      stdio: Array(4).fill('pipe'),
    });
    child.once('close', () => {
      line.server.close();
      remove();
    });
    confine(child, group);
    const start = child.stdio[START_FD] as Writable;
    start.on('error', () => {}).end('start\n');
    // Killing runsc ends its kernel, and with it every process inside.
    const memory = new GvisorMemory(child.pid ?? 0);
    return bridgedProcess(child, {
      control: line.control,
      order: bridgeOrder(command),
      group,
      memoryBytes: () => memory.sizeBytes(),
    });
  } catch (error) {
    line.server.close();
    remove();
    throw error;
  }
}

/** A Unix socket for one connection: that of the bridge, which comes before anything else runs. */
function openControlLine(path: string): { server: Server; control: Duplex } {
  const [outgoing, incoming] = [new PassThrough(), new PassThrough()];
  const server = createServer(socket => {
    server.close();
    socket.on('error', () => socket.destroy()).on('close', () => incoming.end());
    outgoing.pipe(socket).pipe(incoming);
  });
  server.maxConnections = 1;
  server.on('error', () => {}).listen(path);
  chmodSync(path, 0o600);
  return { server, control: Duplex.from({ writable: outgoing, readable: incoming }) };
}
