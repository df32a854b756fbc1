import { readFileSync } from 'node:fs';
import { isAbsolute, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ancestors,
  dropUser,
  folder,
  NODE_INSIDE,
  namespaces,
  programMounts,
} from '../../platform/isolation/index.ts';
import type { ControlGroups } from './control-groups.ts';
import { hiddenProc } from './proc.ts';
import { HOME_DIR, type SandboxMounts, type SandboxOwner, WORKSPACE_DIR } from './sandbox.ts';
import type { IdRange } from './user-ids.ts';

export const GATEWAY_SOCKET_INSIDE = '/run/holdfast/gateway.sock';
export const PROXY_SOCKET_INSIDE = '/run/holdfast/proxy.sock';
/** Where bubblewrap reads the filter of system calls. It waits for its end before it forks. */
export const SECCOMP_FD = 4;
/** Where it reads what it mounts: its command line can be read inside, and names folders here. */
export const ARGUMENTS_FD = 5;
/** Where it reads the names of accounts inside. */
export const PASSWD_FD = 6;
export const GROUP_FD = 7;
const BRIDGE_INSIDE = '/opt/holdfast/bridge.ts';
const BRIDGE = fileURLToPath(new URL('./bridge.ts', import.meta.url));
const PRLIMIT = '/usr/bin/prlimit';

/**
 * The parts of `/etc` that programs need. Names come from generated files, and there is no
 * `resolv.conf`: no process inside can ask a name server.
 */
const SYSTEM_FILES = [
  '/etc/alternatives',
  '/etc/ca-certificates',
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/localtime',
  '/etc/mime.types',
  '/etc/pki/tls/certs',
  '/etc/pki/ca-trust/extracted',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
] as const;

/**
 * Limits that the kernel enforces on processes inside (`man 2 setrlimit`). Memory is not among
 * those: a limit on address space breaks V8, and none covers all processes together.
 */
interface ResourceLimits {
  /**
   * Processes and threads of the user inside. Counted for each command alone where it has a user
   * namespace; where the server is root, for all commands of a run together.
   */
  readonly processesMax: number;
  /** Open files of one process. */
  readonly openFilesMax: number;
  /** One file. */
  readonly fileMaxBytes: number;
  /** All processes of a command together, where the machine has control groups for us. */
  readonly memoryMaxBytes: number;
}

export interface BubblewrapSettings {
  readonly bwrap: string;
  /** Set where we are root: processes inside are one of these users instead. */
  readonly ids: IdRange | undefined;
  readonly tmpMaxBytes: number;
  readonly resources: ResourceLimits;
  /** Undefined: the machine lets us make none, or they are not wanted. */
  readonly groups: ControlGroups | undefined;
  /** Whether everything inside runs only when nothing else wants to. */
  readonly background: boolean;
  /** The filter of system calls for everything inside. */
  readonly seccomp: Buffer;
  /** A folder with `hosts`, `nsswitch.conf` and what `proc.ts` needs. */
  readonly etcDir: string;
  /** Readable inside at the same path, for every command. */
  readonly readOnly: readonly string[];
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
    ...[NODE_INSIDE, '--disable-warning=ExperimentalWarning', BRIDGE_INSIDE],
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
    ...['hosts', 'nsswitch.conf'].flatMap(name => {
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
  if (!isAbsolute(path) || normalize(path) !== path || path === '/') {
    throw new Error(`not an absolute path that can be mounted: ${path}`);
  }
  if ([WORKSPACE_DIR, HOME_DIR].some(folder => `${path}/`.startsWith(`${folder}/`))) {
    throw new Error(`${path} cannot be shown inside: another folder stands there`);
  }
  return [...ancestors(path), '--ro-bind', path, path];
}

function socketMount(socket: string | null, inside: string): string[] {
  return socket === null ? [] : [...ancestors(inside), '--bind', socket, inside];
}
