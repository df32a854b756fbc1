import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from 'vitest';
import { findBubblewrap } from '../../../../../tools/services/binaries.ts';
import type { Sandbox, SandboxMounts } from './index.ts';
import { seccompFilter } from './seccomp.ts';
import { DECIDED, DENIED } from './system-calls.ts';
import { isolatedSandbox, mountsFor, sh, temporaryFolder } from './testing.ts';

const INDEX = process.arch === 'arm64' ? 1 : 0;
const [EPERM, EINVAL, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT] = [1, 22, 38, 93, 97] as const;
const DONE = 0;
const CLONE_NEWUSER = 0x1000_0000;

let folder: string;
let sandbox: Sandbox;
let mounts: SandboxMounts;

beforeEach(async () => {
  folder = await temporaryFolder();
  sandbox = await isolatedSandbox(folder);
  mounts = await mountsFor(sandbox, folder);
});

/** Makes system calls, each in a process of its own; answers their error numbers, or 0. */
async function errorsOf(calls: Readonly<Record<string, readonly number[]>>) {
  const program = `
    for (@ARGV) {
      my ($name, @call) = split / /;
      if (fork() == 0) {
        my $answer = syscall(shift(@call) + 0, map { $_ + 0 } @call);
        print "$name ", $answer == -1 ? $! + 0 : 0, "\\n";
        exit;
      }
      wait;
    }`;
  const list = Object.entries(calls).map(([name, call]) => `'${[name, ...call].join(' ')}'`);
  const { stdout } = await sh(sandbox, mounts, `perl -e '${program}' ${list.join(' ')}`);
  const lines = stdout.trim().split('\n');
  return Object.fromEntries(lines.map(line => line.split(' ')).map(([k, v]) => [k, Number(v)]));
}

describe('the filter of system calls', () => {
  it('refuses every call of its list', async () => {
    const calls = Object.entries(DENIED).flatMap(([name, numbers]) => {
      const number = numbers[INDEX];
      return number === null ? [] : [[name, [number, 0, 0, 0, 0, 0, 0]]];
    });
    const errors = await errorsOf(Object.fromEntries(calls));
    expect(calls.length).toBeGreaterThan(50);
    expect(errors).toEqual(Object.fromEntries(calls.map(([name]) => [name, EPERM])));
  });

  it('looks at arguments where these decide', async () => {
    const { clone, clone3, unshare, personality, ioctl, socket, socketpair } = DECIDED;
    const number = (call: readonly [number, number]) => call[INDEX];
    const SIGCHLD = 17;
    const errors = await errorsOf({
      clone_user: [number(clone), CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0],
      clone3: [number(clone3), 0, 0],
      unshare_user: [number(unshare), CLONE_NEWUSER],
      unshare_network: [number(unshare), 0x4000_0000],
      unshare_time: [number(unshare), 0x80],
      unshare_files: [number(unshare), 0x400],
      personality_ask: [number(personality), 0xffff_ffff],
      personality_old: [number(personality), 0x40_0000],
      ioctl_input: [number(ioctl), 0, 0x5412, 0],
      // Only the lower half counts for the kernel.
      ioctl_input_wide: [number(ioctl), 0, 2 ** 32 + 0x5412, 0],
      socket_unix: [number(socket), 1, 1, 0],
      socket_tcp: [number(socket), 2, 1, 0],
      socket_udp6: [number(socket), 10, 2, 17],
      socket_sctp: [number(socket), 2, 1, 132],
      socket_route: [number(socket), 16, 3, 0],
      socket_audit: [number(socket), 16, 3, 9],
      socket_packet: [number(socket), 17, 3, 0],
      socket_alg: [number(socket), 38, 5, 0],
      socket_vsock: [number(socket), 40, 1, 0],
      pair_tipc: [number(socketpair), 30, 1, 0, 0],
      newest: [463, 0, 0, 0, 0],
      // As x32 asks for its own process id; on arm64 there is none.
      x32: [0x4000_0000 + 39],
    });
    expect(errors).toEqual({
      clone_user: EPERM,
      clone3: ENOSYS,
      unshare_user: EPERM,
      unshare_network: EPERM,
      unshare_time: EPERM,
      unshare_files: DONE,
      personality_ask: DONE,
      personality_old: EPERM,
      ioctl_input: EPERM,
      ioctl_input_wide: EPERM,
      socket_unix: DONE,
      socket_tcp: DONE,
      socket_udp6: DONE,
      socket_sctp: EPROTONOSUPPORT,
      socket_route: DONE,
      socket_audit: EPROTONOSUPPORT,
      socket_packet: EAFNOSUPPORT,
      socket_alg: EAFNOSUPPORT,
      socket_vsock: EAFNOSUPPORT,
      pair_tipc: EAFNOSUPPORT,
      newest: ENOSYS,
      x32: ENOSYS,
    });
  });

  it('lets a process trace its own children, and nothing outside', async () => {
    const outside = spawn('sleep', ['60']);
    const PTRACE = INDEX === 0 ? 101 : 117;
    const [TRACE_ME, ATTACH] = [0, 16];
    try {
      const errors = await errorsOf({
        child: [PTRACE, TRACE_ME, 0, 0, 0],
        outside: [PTRACE, ATTACH, outside.pid!, 0, 0],
        server: [PTRACE, ATTACH, process.pid, 0, 0],
      });
      const ESRCH = 3;
      expect(errors).toEqual({ child: DONE, outside: ESRCH, server: ESRCH });
    } finally {
      outside.kill('SIGKILL');
    }
  });

  it('leaves compilers, interpreters, threads and processes alone', async () => {
    const script = `
      node -e '
        const { Worker } = require("node:worker_threads");
        new Worker("require(\\"node:fs\\").writeSync(1, \\"thread\\\\n\\")", { eval: true })
          .on("exit", () => require("node:child_process").execFileSync("echo", ["child"]));'
      perl -e 'print "perl\\n" if fork() == 0; wait'
      python3 -c 'import threading as t
def f(): print("python")
t.Thread(target=f).start()' || echo python
      printf '#include <stdio.h>\\nint main() { puts("compiled"); }' > a.c
      if command -v gcc > /dev/null; then gcc a.c && ./a.out; else echo compiled; fi
      git init -q . && git add a.c && git commit -qm one && git repack -adq && git log --format=%s`;
    const { stdout, stderr } = await sh(sandbox, mounts, script);
    expect(stdout, stderr).toBe('thread\nperl\npython\ncompiled\none\n');
  });

  it('is missing for an architecture that it does not know', () => {
    expect(seccompFilter('riscv64')).toBeUndefined();
    expect(seccompFilter('arm64')).not.toEqual(seccompFilter('x64'));
  });

  it('is no matter of choice: a kernel that takes none isolates nothing', async () => {
    // A process for which the kernel refuses filters: `prctl(PR_SET_SECCOMP)` fails with EINVAL.
    const PRCTL = INDEX === 0 ? 157 : 167;
    const refusing = [
      [0x20, 0, 0, 0],
      [0x15, 0, 3, PRCTL],
      [0x20, 0, 0, 16],
      [0x15, 0, 1, 22],
      [0x06, 0, 0, 0x0005_0000 | EINVAL],
      [0x06, 0, 0, 0x7fff_0000],
    ].map(([code, jt, jf, k]) => {
      const bytes = Buffer.from([code!, 0, jt!, jf!, 0, 0, 0, 0]);
      bytes.writeUInt32LE(k!, 4);
      return bytes;
    });
    const script = `
      import { createSandbox } from '${new URL('./index.ts', import.meta.url).href}';
      const { isolated, note } = await createSandbox({ dir: '${join(folder, 'refused')}' });
      console.log(isolated, note);`;
    const outer = ['--dev-bind', '/', '/', '--seccomp', '3', '--', process.execPath];
    const child = spawn(await findBubblewrap(), [...outer, '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    (child.stdio[3] as NodeJS.WritableStream).end(Buffer.concat(refusing));
    const said = await text(child.stdout!);
    expect(said).toMatch(/^false Not isolated: .*What failed: .*SECCOMP/s);
  });
});
