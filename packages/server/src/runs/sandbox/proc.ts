import { lstatSync, readdirSync } from 'node:fs';

/** What of `/proc` is not about processes and yet of use to programs inside. */
const SHOWN = [
  ...['self', 'thread-self', 'mounts', 'net', 'sys'],
  ...['cpuinfo', 'filesystems', 'loadavg', 'meminfo', 'stat', 'uptime', 'version'],
];

/** What of `/proc/sys` tells one machine from another, or what runs on it. */
const HIDDEN_SETTINGS = [
  ...['abi', 'debug', 'dev', 'sunrpc', 'user', 'fs/binfmt_misc', 'fs/quota', 'kernel/keys'],
  ...['fs/aio-nr', 'fs/dentry-state', 'fs/file-nr', 'fs/inode-nr', 'fs/inode-state'],
  ...['kernel/acct', 'kernel/bootloader_type', 'kernel/bootloader_version', 'kernel/core_pattern'],
  ...['kernel/hotplug', 'kernel/modprobe', 'kernel/ns_last_pid', 'kernel/poweroff_cmd'],
  ...['kernel/pty', 'kernel/random/boot_id', 'kernel/real-root-dev', 'kernel/tainted'],
  'kernel/usermodehelper',
].map(name => `sys/${name}`);

export const EMPTY_FILE = 'empty';
export const EMPTY_FOLDER = 'empty.d';

/**
 * Arguments of bubblewrap that put something empty in the place of what `/proc` shows of this
 * machine: `EMPTY_FILE` or `EMPTY_FOLDER` of `dir`.
 */
export function hiddenProc(dir: string): string[] {
  const entries = readdirSync('/proc');
  const hidden = entries.filter(name => !/^\d+$/.test(name) && !SHOWN.includes(name));
  return [...hidden, ...HIDDEN_SETTINGS].flatMap(name => {
    const path = `/proc/${name}`;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    return ['--ro-bind', `${dir}/${stat.isDirectory() ? EMPTY_FOLDER : EMPTY_FILE}`, path];
  });
}
