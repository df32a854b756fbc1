import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex } from 'node:stream';
import { confine } from '../../platform/isolation/index.ts';
import { bridgedProcess } from './bridged-process.ts';
import {
  ARGUMENTS_FD,
  type BubblewrapSettings,
  bubblewrapArguments,
  bubblewrapCommand,
  GROUP_FD,
  PASSWD_FD,
  SECCOMP_FD,
} from './bubblewrap.ts';
import { accounts, bridgeOrder, CPU_WEIGHT, commandOwner, pathsInside } from './inside.ts';
import type { Sandbox, SandboxCommand, SandboxedProcess } from './sandbox.ts';
import { ownerOf } from './user-ids.ts';

const CONTROL_FD = 3;

/** Processes in bubblewrap, each with the bridge as its first program. */
export function createBubblewrapSandbox(settings: BubblewrapSettings): Sandbox {
  return {
    isolated: true,
    note: null,
    ownerOf: runId => settings.ids && ownerOf(runId, settings.ids),
    paths: pathsInside,
    spawn: command => spawnInBubblewrap(settings, command),
    close: async () => {},
  };
}

function spawnInBubblewrap(
  settings: BubblewrapSettings,
  command: SandboxCommand,
): SandboxedProcess {
  const { mounts } = command;
  const owner = commandOwner(mounts, settings.ids);
  // Other processes of the same user can read an environment in /proc: bubblewrap gets none.
  const setup = bubblewrapArguments(settings, mounts);
  const group = settings.groups?.create({ ...settings.resources, cpuWeight: CPU_WEIGHT });
  const child = spawn(settings.bwrap, bubblewrapCommand(settings, owner), {
    argv0: 'bwrap',
    env: {},
    cwd: '/',
    detached: true,
    stdio: Array(8).fill('pipe'),
  });
  // Bubblewrap starts nothing before it has read what follows.
  confine(child, group);
  write(child, ARGUMENTS_FD, setup);
  write(child, SECCOMP_FD, settings.seccomp);
  const { passwd, group: groupFile } = accounts(
    owner ?? { uid: process.getuid!(), gid: process.getgid!() },
  );
  write(child, PASSWD_FD, passwd);
  write(child, GROUP_FD, groupFile);
  // Killing bubblewrap ends its pid namespace, and with it every process inside.
  const control = child.stdio[CONTROL_FD] as Duplex;
  return bridgedProcess(child, { control, order: bridgeOrder(command), group });
}

/** A bubblewrap that ends before it has read everything reports why by itself. */
function write(child: ChildProcess, fd: number, content: string | Buffer): void {
  const stream = child.stdio[fd] as Duplex;
  stream.on('error', () => {});
  stream.end(content);
}
