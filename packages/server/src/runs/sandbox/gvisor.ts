import { existsSync, lstatSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { programs } from '../../platform/isolation/index.ts';
import {
  BRIDGE,
  BRIDGE_COMMAND,
  BRIDGE_INSIDE,
  checkReadOnlyPath,
  GATEWAY_SOCKET_INSIDE,
  type IsolationSettings,
  PROXY_SOCKET_INSIDE,
  SYSTEM_FILES,
  WRITTEN_FILES,
} from './inside.ts';
import { ociSeccomp } from './oci-seccomp.ts';
import { HOME_DIR, type SandboxMounts, type SandboxOwner, WORKSPACE_DIR } from './sandbox.ts';

const CONTROL_SOCKET_INSIDE = '/run/holdfast/control.sock';

export interface GvisorSettings extends IsolationSettings {
  readonly runsc: string;
  /** The root inside, made by `makeRoot`. */
  readonly rootDir: string;
}

/** Of one command: the bundle's folder on the host, with these files in it. */
export const BUNDLE = {
  spec: 'config.json',
  passwd: 'passwd',
  group: 'group',
  control: 'control.sock',
  state: 'state',
} as const;

/** Part of a container's description (OCI runtime specification 1.0). */
interface Mount {
  readonly destination: string;
  readonly type: 'bind' | 'proc' | 'tmpfs';
  readonly source: string;
  readonly options: readonly string[];
}

/**
 * The command line of runsc for one command. Nothing starts before a line comes on descriptor 3;
 * everything ends with this process, and is the first to be killed when memory runs out.
 */
export function runscCommand(
  { runsc, background }: GvisorSettings,
  bundleDir: string,
  id: string,
): string[] {
  return [
    ...['/usr/bin/setpriv', '--pdeathsig=KILL', '--'],
    ...['/usr/bin/prlimit', '--core=0', '--', '/usr/bin/choom', '-n', '1000', '--'],
    // The policy of the scheduler that only takes what others leave; disks follow it.
    ...(background ? ['/usr/bin/chrt', '--idle', '0'] : []),
    ...['/bin/sh', '-c', 'read -r line <&3 && exec 3<&- && exec "$@"', 'sh'],
    ...[runsc, '--root', join(bundleDir, BUNDLE.state), '--ignore-cgroups', '--network=none'],
    // Host files as they are, with the sockets that are mounted; no core of the kernel's in them.
    ...['--overlay2=none', '--host-uds=open', '--file-access-mounts=shared', '--oci-seccomp'],
    ...(process.getuid?.() === 0 ? [] : ['--rootless']),
    ...['run', '--bundle', bundleDir, id],
  ];
}

/**
 * What runsc reads: the bridge as the first program, without any capability. The order of the
 * bridge is not in it.
 */
export function containerSpec(
  settings: GvisorSettings,
  mounts: SandboxMounts,
  bundle: { readonly dir: string; readonly owner: SandboxOwner },
): object {
  const { processesMax, openFilesMax, fileMaxBytes } = settings.resources;
  const limits = { NPROC: processesMax, NOFILE: openFilesMax, FSIZE: fileMaxBytes, CORE: 0 };
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: bundle.owner,
      args: [...BRIDGE_COMMAND, CONTROL_SOCKET_INSIDE],
      env: [],
      cwd: '/',
      capabilities: {},
      rlimits: Object.entries(limits).map(([name, value]) => {
        return { type: `RLIMIT_${name}`, hard: value, soft: value };
      }),
      noNewPrivileges: true,
    },
    root: { path: settings.rootDir, readonly: true },
    hostname: 'holdfast',
    mounts: allMounts(settings, mounts, bundle.dir),
    linux: {
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map(type => ({ type })),
      seccomp: ociSeccomp(),
    },
  };
}

function allMounts(
  settings: GvisorSettings,
  { gatewaySocket, proxySocket, ...mounts }: SandboxMounts,
  bundleDir: string,
): Mount[] {
  const readOnly = [...settings.readOnly, ...mounts.readOnly];
  for (const path of readOnly) checkReadOnlyPath(path);
  return [
    ...programs().mounts.map(({ outside, inside }) => bind(outside, inside)),
    ...SYSTEM_FILES.filter(path => existsSync(path)).map(path => bind(path, path)),
    ...WRITTEN_FILES.map(name => bind(join(settings.etcDir, name), `/etc/${name}`)),
    bind(join(bundleDir, BUNDLE.passwd), '/etc/passwd'),
    bind(join(bundleDir, BUNDLE.group), '/etc/group'),
    bind(BRIDGE, BRIDGE_INSIDE),
    { destination: '/proc', type: 'proc', source: 'proc', options: [] },
    memory('/sys', ['ro', 'mode=755']),
    ...['/dev/shm', '/tmp'].map(path => {
      return memory(path, ['mode=1777', `size=${settings.tmpMaxBytes}`]);
    }),
    ...readOnly.map(path => bind(path, path)),
    ...(gatewaySocket === null ? [] : [bind(gatewaySocket, GATEWAY_SOCKET_INSIDE)]),
    ...(proxySocket === null ? [] : [bind(proxySocket, PROXY_SOCKET_INSIDE)]),
    bind(join(bundleDir, BUNDLE.control), CONTROL_SOCKET_INSIDE),
    bind(mounts.workspace, WORKSPACE_DIR, 'rw'),
    bind(mounts.home, HOME_DIR, 'rw'),
  ];
}

function bind(outside: string, inside: string, right: 'ro' | 'rw' = 'ro'): Mount {
  const source = realpathSync(outside);
  return { destination: inside, type: 'bind', source, options: ['bind', right] };
}

function memory(path: string, options: readonly string[]): Mount {
  return { destination: path, type: 'tmpfs', source: 'tmpfs', options };
}

/** The folders and links that every root inside begins with; other servers may use them already. */
export function makeRoot(rootDir: string): void {
  const { mounts, links } = programs();
  const files = [BRIDGE_INSIDE, GATEWAY_SOCKET_INSIDE, ...SYSTEM_FILES];
  const folders = [
    ...mounts.map(({ inside }) => dirname(inside)),
    ...files.map(dirname),
    ...['/usr', '/etc', '/proc', '/sys', '/dev', '/tmp', WORKSPACE_DIR, HOME_DIR],
  ];
  for (const path of folders) mkdirSync(join(rootDir, path), { recursive: true, mode: 0o755 });
  for (const { target, inside } of links) {
    const path = join(rootDir, inside);
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) symlinkSync(target, path);
  }
}
