/**
 * Escapes and leaks that are tried inside a sandbox, as shell. Each ends with 0 when it got what it
 * was after: it must not. `{name}` stands for a fact of the machine outside (`Facts`).
 */
export interface Probe {
  readonly script: string;
  /** Works without a sandbox, for root on Debian: proof that the probe can find something. */
  readonly control?: true;
}

/** What there is outside, to be found. All of it holds `secret`. */
export interface Facts {
  readonly secret: string;
  /** A folder that all may enter, with `secret.txt` that all may read. */
  readonly folder: string;
  /** A process outside, in whose environment the secret is. */
  readonly pid: number;
  /** Loopback port, Unix socket and abstract socket that answer with the secret. */
  readonly port: number;
  readonly socket: string;
  readonly abstract: string;
  /** Of a segment of shared memory. */
  readonly key: number;
  /** Workspace and first process of another run. */
  readonly otherWorkspace: string;
  readonly otherPid: number;
}

const control = (script: string): Probe => ({ script, control: true });
const probe = (script: string): Probe => ({ script });

/** Numbers of system calls on x86-64 and arm64. */
type Call = readonly [x64: number, arm64: number];

/** Whether the kernel even looks at a call: anything but a refusal. */
function call([x64, arm64]: Call, args: string, isControl = true): Probe {
  const number = process.arch === 'arm64' ? arm64 : x64;
  const refusals = '$! == 1 || $! == 38 || $! == 93 || $! == 97';
  const script = `perl -e 'my $r = syscall(${number}, ${args});
    exit($r == -1 && (${refusals}) ? 1 : 0)'`;
  return isControl ? control(script) : probe(script);
}

/** Connects with perl to what stands in `address` and looks for the secret. */
function connect(family: number, address: string): string {
  return `perl -MSocket -e 'socket(my $s, ${family}, 1, 0) or exit 1; alarm 3;
    connect($s, ${address}) or exit 1;
    sysread($s, my $text, 1000); exit(index($text, "{secret}") < 0)'`;
}

const files: Record<string, Probe> = {
  'a file outside by its path': control('grep -q {secret} {folder}/secret.txt'),
  'a file outside by the root of process 1': probe(
    'grep -q {secret} /proc/1/root{folder}/secret.txt',
  ),
  'a file outside by its own root': control(
    'grep -q {secret} /proc/self/root/../..{folder}/secret.txt',
  ),
  'a file outside by a symbolic link': control(
    'ln -sf {folder}/secret.txt link && grep -q {secret} link',
  ),
  'a file outside by a hard link': probe('ln {folder}/secret.txt hard && grep -q {secret} hard'),
  'a folder outside by a descriptor': probe('grep -qs {secret} /proc/[0-9]*/fd/*/secret.txt'),
  'a file outside by a descriptor': probe('ls -l /proc/[0-9]*/fd | grep -q secret.txt'),
  'a folder outside by where a process works': control(
    'grep -qs {secret} /proc/[0-9]*/cwd/secret.txt',
  ),
  'the folder of the data': control('ls {folder} | grep -q secret.txt'),
  'accounts of the machine': control('grep -q ^root: /etc/passwd'),
  'passwords of the machine': control('cat /etc/shadow'),
  'the home of root': control('ls /root'),
  'the name of the machine': probe('cat /etc/hostname'),
  'device trees of the machine': control('ls /sys/class'),
  'files of another run': control('grep -q {secret} {otherWorkspace}/secret.txt'),
  'disks of the machine': probe(
    'cat /dev/[shv]d[a-z] /dev/nvme* /dev/dm-* | head -c 1 | grep -q .',
  ),
  'memory of the machine by /dev': probe('head -c 1 /dev/mem || head -c 1 /dev/kmem'),
  'a device that is made': probe('mknod disk b 8 0 && head -c 1 disk'),
  'shared memory outside': control('grep -q {secret} /dev/shm/{secret}'),
};

const writes: Record<string, Probe> = {
  'to programs': probe('touch /usr/bin/hostile || touch /bin/hostile'),
  'to libraries': probe('touch /usr/lib/hostile || touch /lib/hostile'),
  'to settings': probe('touch /etc/hostile || echo x >> /etc/passwd || echo x >> /etc/hosts'),
  'to the bridge': probe('echo x >> /opt/holdfast/bridge.mjs || mv /opt/holdfast/bridge.mjs /tmp'),
  'to Node': probe('touch "$(command -v node)"'),
  'to settings of the kernel': probe(
    'echo x > /proc/sys/kernel/core_pattern || echo x > /proc/sys/vm/overcommit_memory',
  ),
  'to the keys of the kernel': probe('echo h > /proc/sysrq-trigger'),
  'to control groups': probe('mkdir /sys/fs/cgroup/hostile /sys/fs/cgroup/*/hostile'),
  'through a mount that is made writable': probe('mount -o remount,rw /usr && touch /usr/hostile'),
};

const processes: Record<string, Probe> = {
  'the environment of a process outside': control('grep -qas {secret} /proc/{pid}/environ'),
  'the secret in any environment': control('grep -qas {secret} /proc/[0-9]*/environ'),
  'folders outside on the first command lines': probe('grep -qas {folder} /proc/[12]/cmdline'),
  'a signal to a process outside': control('kill -0 {pid}'),
  'a signal to another run': control('kill -0 {otherPid}'),
  'a trace of a process outside': probe(
    `perl -e 'exit(syscall(${process.arch === 'arm64' ? 117 : 101}, 16, {pid}, 0, 0) == -1)'`,
  ),
  'a handle of a process outside': control(`perl -e 'exit(syscall(434, {pid}, 0) == -1)'`),
  'memory of a process outside': probe(
    'head -c 1 /proc/{pid}/mem || head -c 1 /proc/{otherPid}/mem',
  ),
  'the processes of another run': control('grep -qx sleep /proc/{otherPid}/comm'),
  'shared memory outside by its key': control(`perl -e 'exit(!defined shmget({key}, 0, 0))'`),
  'a priority over the server': control('chrt --fifo 1 true || renice -n -5 -p $$'),
  'higher limits': control(
    'prlimit --nproc=unlimited:unlimited true || prlimit --fsize=unlimited true',
  ),
};

const rights: Record<string, Probe> = {
  'a capability': control('grep -qE "^Cap...:\\s*0*[1-9a-f]" /proc/self/status'),
  'another user by su': probe('su -c true < /dev/null'),
  'another user by a program of its own': probe(
    'cp /bin/sh own && chmod 6755 own && [ "$(./own -p -c "id -u")" = 0 ]',
  ),
  'another user by a call': control(`perl -e '$> = 0; $< = 0; exit($> != 0)'`),
  'another group': probe(`perl -e '$) = "0 0"; exit(index(" $) ", " 0 ") < 0)'`),
  'new rights for programs': control('grep -q "^NoNewPrivs:\\s*0" /proc/self/status'),
};

const namespaces: Record<string, Probe> = {
  'a user namespace': control('unshare --user true'),
  'a network namespace': control('unshare --net true'),
  'a mount namespace': control('unshare --mount true'),
  'a namespace by clone': call([56, 220], '0x10000000 | 17, 0, 0, 0, 0', false),
  'the namespaces of process 1': probe('nsenter --target 1 --mount --net true'),
  'a namespace by its file': call([308, 268], '-1, 0'),
  'a file system': call([165, 40], '0, 0, 0, 0, 0'),
  'a file system by the new calls': call([430, 430], '0, 0'),
  'the mount behind an empty file': call([166, 39], '"/proc/kallsyms", 2', false),
  'another root': call([161, 51], '0'),
  'another root for all': call([155, 41], '0, 0'),
  'a file by its handle': call([304, 265], '-1, 0, 0'),
};

const kernel: Record<string, Probe> = {
  'its keys': call([250, 219], '0, -3, 0'),
  'a new key': call([248, 217], '0, 0, 0, 0, 0'),
  io_uring: call([425, 425], '0, 0'),
  'programs in it': call([321, 280], '0, 0, 0'),
  'its counters': call([298, 241], '0, 0, -1, -1, 0'),
  'faults of pages': call([323, 282], '0'),
  'a module': call([313, 273], '-1, 0, 0', false),
  'another kernel': call([320, 294], '-1, -1, 0, 0, 0', false),
  'its log': call([103, 116], '10, 0, 0'),
  'the clock': call([227, 112], '0, 0'),
  'memory of others by a call': call([310, 270], '{pid}, 0, 0, 0, 0, 0'),
  'a descriptor of another process': call([438, 438], '-1, 0, 0'),
  'a call that is newer than the filter': probe(
    `perl -e 'exit(syscall(463, -1, 0, 0, 0, 0, 0) == -1 && $! == 38)'`,
  ),
  'input for a terminal': call([16, 29], '0, 0x5412, 0', false),
  'its symbols': control('head -c 1 /proc/kallsyms | grep -q .'),
  'its command line': control('head -c 1 /proc/cmdline | grep -q .'),
  'its disks': probe(
    'head -c 1 /proc/diskstats | grep -q . || head -c 1 /proc/partitions | grep -q .',
  ),
  'its memory': probe('head -c 1 /proc/kcore | grep -q .'),
  'its key ring by a file': control('grep -q : /proc/keys /proc/key-users'),
  'its timers': probe('head -c 1 /proc/timer_list | grep -q .'),
  'the identity of the machine': control('head -c 1 /proc/sys/kernel/random/boot_id | grep -q .'),
};

const network: Record<string, Probe> = {
  'the loopback outside': control(connect(2, 'pack_sockaddr_in({port}, inet_aton("127.0.0.1"))')),
  'a Unix socket by its path': control(connect(1, 'pack_sockaddr_un("{socket}")')),
  'a Unix socket without a path': control(connect(1, 'pack_sockaddr_un("\\0{abstract}")')),
  'the metadata of a cloud': probe(
    connect(2, 'pack_sockaddr_in(80, inet_aton("169.254.169.254"))'),
  ),
  'an interface but loopback': probe('tail -n +3 /proc/net/dev | grep -qv "^ *lo:"'),
  'a route': probe('tail -n +2 /proc/net/route | grep -q .'),
  'raw packets': call([41, 198], '17, 3, 0'),
  'raw addresses': call([41, 198], '2, 3, 255'),
  'the machine below': call([41, 198], '40, 1, 0', false),
  'ciphers of the kernel': call([41, 198], '38, 5, 0', false),
  'the audit of the kernel': call([41, 198], '16, 3, 9'),
  'rare protocols': call([41, 198], '2, 1, 132', false),
  'sockets of a run without any': probe('ls /run/holdfast/*.sock'),
};

function named(kind: string, probes: Record<string, Probe>): [string, Probe][] {
  return Object.entries(probes).map(([name, one]) => [`${kind}: ${name}`, one]);
}

export const PROBES: ReadonlyMap<string, Probe> = new Map([
  ...named('reading', files),
  ...named('writing', writes),
  ...named('processes', processes),
  ...named('rights', rights),
  ...named('namespaces', namespaces),
  ...named('kernel', kernel),
  ...named('network', network),
]);

/** The script of a probe on one line, with the facts in it. */
export function filled({ script }: Probe, facts: Facts): string {
  return script
    .replaceAll('\n', ' ')
    .replaceAll(/\{(\w+)\}/g, (all, name: string) =>
      name in facts ? String(facts[name as keyof Facts]) : all,
    );
}
