import { readFileSync } from 'node:fs';
import {
  ancestors,
  dropUser,
  folder,
  namespaces,
  programMounts,
} from '../../platform/isolation/index.ts';
import {
  BRIDGE,
  BRIDGE_COMMAND,
  BRIDGE_INSIDE,
  checkReadOnlyPath,
  GATEWAY_SOCKET_INSIDE,
  type IsolationSettings,
  PROXY_SOCKET_INSIDE,
  type ResourceLimits,
  SYSTEM_FILES,
  WRITTEN_FILES,
} from './inside.ts';
import { hiddenProc } from './proc.ts';
import { HOME_DIR, type SandboxMounts, type SandboxOwner, WORKSPACE_DIR } from './sandbox.ts';

/** Where bubblewrap reads the filter of system calls. It waits for its end before it forks. */
export const SECCOMP_FD = 4;
/** Where it reads what it mounts: its command line can be read inside, and names folders here. */
export const ARGUMENTS_FD = 5;
/** Where it reads the names of accounts inside. */
export const PASSWD_FD = 6;
export const GROUP_FD = 7;
const PRLIMIT = '/usr/bin/prlimit';

export interface BubblewrapSettings extends IsolationSettings {
  readonly bwrap: string;
  /** The filter of system calls for everything inside. */
  readonly seccomp: Buffer;
}

/**
 * The command line of bubblewrap and of the bridge in it. Root sets up mounts with its own rights
 * and gives up all of them, its user included, before anything of ours or of an agent runs inside;
 * another user gets a user namespace. Neither can reach a file that is not mounted.
 */
export function bubblewrapCommand(
  { resources, background }: BubblewrapSettings,
  owner: SandboxOwner | undefined,
): string[] {
  return [
    ...['--args', String(ARGUMENTS_FD), '--'],
    ...(owner ? dropUser(owner) : []),
    ...resourceLimits(resources),
    // The policy of the scheduler that only takes what others leave; disks follow it.
    ...(background ? ['/usr/bin/chrt', '--idle', '0'] : []),
    ...BRIDGE_COMMAND,
  ];
}

/** What bubblewrap reads from `ARGUMENTS_FD`, each argument with a zero byte behind it. */
export function bubblewrapArguments(settings: BubblewrapSettings, mounts: SandboxMounts): string {
  return [
    ...namespaces(settings.ids !== undefined),
    ...['--seccomp', String(SECCOMP_FD)],
    ...systemMounts(settings),
    ...[...settings.readOnly, ...mounts.readOnly].flatMap(readOnlyMount),
    ...socketMount(mounts.gatewaySocket, GATEWAY_SOCKET_INSIDE),
    ...socketMount(mounts.proxySocket, PROXY_SOCKET_INSIDE),
    ...folder('/home'),
    ...['--bind', mounts.workspace, WORKSPACE_DIR, '--bind', mounts.home, HOME_DIR],
    ...['--remount-ro', '/dev', '--remount-ro', '/', '--chdir', '/', '--clearenv'],
  ]
    .map(argument => `${argument}\0`)
    .join('');
}

/** The start of a command line that has these limits, and leaves no core dumps. */
function resourceLimits(limits: ResourceLimits): string[] {
  const own = readFileSync('/proc/self/limits', 'utf8');
  // Only root may raise the limits of the server itself.
  const most = (name: string, wanted: number) => Math.min(wanted, hardLimit(own, name));
  return [
    PRLIMIT,
    `--nproc=${most('Max processes', limits.processesMax)}`,
    `--nofile=${most('Max open files', limits.openFilesMax)}`,
    `--fsize=${most('Max file size', limits.fileMaxBytes)}`,
    ...['--core=0', '--'],
  ];
}

/** `Max open files   1024   524288   files`: name, soft, hard. */
function hardLimit(text: string, name: string): number {
  const line = text.split('\n').find(one => one.startsWith(name)) ?? '';
  const [, hard] = line.slice(name.length).trim().split(/\s+/);
  return /^\d+$/.test(hard ?? '') ? Number(hard) : Number.POSITIVE_INFINITY;
}

function systemMounts(settings: BubblewrapSettings): string[] {
  const size = String(settings.tmpMaxBytes);
  return [
    ...programMounts(),
    ...folder('/etc'),
    ...SYSTEM_FILES.flatMap(path => [...ancestors(path), '--ro-bind-try', path, path]),
    ...['--perms', '0644', '--ro-bind-data', String(PASSWD_FD), '/etc/passwd'],
    ...['--perms', '0644', '--ro-bind-data', String(GROUP_FD), '/etc/group'],
    ...WRITTEN_FILES.flatMap(name => {
      return ['--ro-bind', `${settings.etcDir}/${name}`, `/etc/${name}`];
    }),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...hiddenProc(settings.etcDir),
    ...['--perms', '1777', '--size', size, '--tmpfs', '/dev/shm'],
    ...['--perms', '1777', '--size', size, '--tmpfs', '/tmp'],
    ...ancestors(BRIDGE_INSIDE),
    ...['--ro-bind', BRIDGE, BRIDGE_INSIDE],
  ];
}

function readOnlyMount(path: string): string[] {
  checkReadOnlyPath(path);
  return [...ancestors(path), '--ro-bind', path, path];
}

function socketMount(socket: string | null, inside: string): string[] {
  return socket === null ? [] : [...ancestors(inside), '--bind', socket, inside];
}
