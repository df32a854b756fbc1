import { accessSync, constants, lstatSync, readlinkSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** Parts of bubblewrap command lines. The parts of root have more rights, and give them all up. */

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The user inside where the server is root: a number that neither distributions nor systemd assign
 * (people start at 1000, Debian's own allocations at 60000).
 */
export const ISOLATED_UID = 59_417;
/** Where the Node that runs us is inside. */
export const NODE_INSIDE = '/opt/holdfast/bin/node';
const SETPRIV = '/usr/bin/setpriv';

/**
 * Top-level folders that systems keep programs in. On merged systems most are links into `/usr`.
 */
const SYSTEM_FOLDERS = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'] as const;

/** Namespaces of its own for everything, no capabilities, and an end with the process outside. */
export function namespaces(asRoot: boolean): string[] {
  return [
    ...(asRoot ? [] : ['--unshare-user']),
    ...['--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts'],
    ...['--unshare-cgroup-try', '--die-with-parent', '--new-session', '--hostname', 'holdfast'],
    ...['--cap-drop', 'ALL'],
    // Only for `dropUser`, which leaves none of them.
    ...(asRoot ? ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap(c => ['--cap-add', c]) : []),
  ];
}

/** The start of a command line inside that becomes `account`. */
export function dropUser(account: Account): string[] {
  return [
    ...[SETPRIV, `--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'],
    ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--no-new-privs', '--'],
  ];
}

/** Folders and files that a sandbox shows, and links that it makes. */
export interface Programs {
  readonly mounts: readonly { readonly outside: string; readonly inside: string }[];
  readonly links: readonly { readonly target: string; readonly inside: string }[];
}

/** The system's programs and libraries, and the Node that runs us. */
export function programs(): Programs {
  const folders = SYSTEM_FOLDERS.flatMap(path => {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ path, isLink: stat.isSymbolicLink() }];
  });
  const real = ['/usr', ...folders.filter(({ isLink }) => !isLink).map(({ path }) => path)];
  return {
    mounts: [
      ...real.map(path => ({ outside: path, inside: path })),
      { outside: process.execPath, inside: NODE_INSIDE },
    ],
    // A link stays a link, so that `/bin/sh` is one file by both of its names.
    links: folders
      .filter(({ isLink }) => isLink)
      .map(({ path }) => ({ target: readlinkSync(path), inside: path })),
  };
}

export function programMounts(): string[] {
  const { mounts, links } = programs();
  return [
    ...mounts.flatMap(({ outside, inside }) => [
      ...ancestors(inside),
      ...['--ro-bind', outside, inside],
    ]),
    ...links.flatMap(({ target, inside }) => ['--symlink', target, inside]),
  ];
}

/** Bubblewrap makes missing parents for root only; these can be entered by every user inside. */
export function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === '/' ? [] : [...ancestors(parent), ...folder(parent)];
}

export function folder(path: string): string[] {
  return ['--perms', '0755', '--dir', path];
}

/** The first program of that name on the PATH. */
export function findOnPath(program: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(path => path !== '');
  return folders.map(path => join(path, program)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
