/**
 * The filter of system calls for everything inside (`bwrap --seccomp`): a classic BPF program over
 * `struct seccomp_data` (`man 2 seccomp`). What is refused fails with an error, as on a kernel that
 * was built without it, so that programs fall back; only a program of another architecture dies.
 *
 * `ptrace` is allowed: debuggers and sanitizers trace their own children, and a process outside
 * cannot be named in a pid namespace.
 */
import { DECIDED, DENIED, NEWEST } from './system-calls.ts';

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

const ALLOW: readonly Instruction[] = [[0x06, 0, 0, 0x7fff_0000]];
const KILL: readonly Instruction[] = [[0x06, 0, 0, 0x8000_0000]];
const EPERM = fail(1);
const ENOSYS = fail(38);
const EPROTONOSUPPORT = fail(93);
const EAFNOSUPPORT = fail(97);

/** Offsets in `struct seccomp_data`. Of an argument, the lower half of a little-endian machine. */
const NUMBER = load(0);
const ARCHITECTURE = load(4);
const ARGUMENTS = [0, 1, 2].map(index => load(16 + 8 * index)) as [
  readonly Instruction[],
  readonly Instruction[],
  readonly Instruction[],
];

/** `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_AARCH64`, and which number of a call is theirs. */
const ARCHITECTURES: Readonly<Record<string, { readonly audit: number; readonly index: 0 | 1 }>> = {
  x64: { audit: 0xc000_003e, index: 0 },
  arm64: { audit: 0xc000_00b7, index: 1 },
};

/** NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
export const CLONE_NEW = 0x7e02_0000;
/** In the flags of `clone` this bit belongs to a signal. */
export const CLONE_NEWTIME = 0x80;
/** Fake input into a terminal, and the console's own commands. */
export const TERMINAL_REQUESTS = [0x5412, 0x541c];
/** Linux, 32 bits, without random addresses (as sanitizers ask for), and the question. */
const PERSONALITIES = [0, 0x8, 0x4_0000, 0xffff_ffff];
const AF_UNIX = 1;
const AF_INETS = [2, 10];
const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
/** Any, ICMP, TCP, UDP, ICMPv6. Others would make the kernel load modules. */
const INET_PROTOCOLS = [0, 1, 6, 17, 58];

/** The program for an architecture (`process.arch`); undefined for one that it does not know. */
export function seccompFilter(arch: string): Buffer | undefined {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined) return undefined;
  const { audit, index } = architecture;
  const when = (call: keyof typeof DECIDED, then: readonly Instruction[]) =>
    whenEqual(DECIDED[call][index], then);
  return assemble([
    ...ARCHITECTURE,
    ...unlessEqual(audit, KILL),
    ...NUMBER,
    // Also those of x32, which begin at 2^30.
    ...whenAbove(NEWEST, ENOSYS),
    ...Object.values(DENIED).flatMap(numbers => {
      const number = numbers[index];
      return number === null ? [] : whenEqual(number, EPERM);
    }),
    // Its flags are in memory. The C library then calls `clone`.
    ...when('clone3', ENOSYS),
    ...when('clone', [...ARGUMENTS[0], ...whenAnyBit(CLONE_NEW, EPERM), ...ALLOW]),
    ...when('unshare', [
      ...ARGUMENTS[0],
      ...whenAnyBit(CLONE_NEW | CLONE_NEWTIME, EPERM),
      ...ALLOW,
    ]),
    ...when('personality', [...ARGUMENTS[0], ...oneOf(PERSONALITIES, ALLOW), ...EPERM]),
    ...when('ioctl', [...ARGUMENTS[1], ...oneOf(TERMINAL_REQUESTS, EPERM), ...ALLOW]),
    ...when('socketpair', [...ARGUMENTS[0], ...whenEqual(AF_UNIX, ALLOW), ...EAFNOSUPPORT]),
    ...when('socket', socket()),
    ...ALLOW,
  ]);
}

function socket(): readonly Instruction[] {
  const inet = [...ARGUMENTS[2], ...oneOf(INET_PROTOCOLS, ALLOW), ...EPROTONOSUPPORT];
  const netlink = [...ARGUMENTS[2], ...whenEqual(NETLINK_ROUTE, ALLOW), ...EPROTONOSUPPORT];
  return [
    ...ARGUMENTS[0],
    ...whenEqual(AF_UNIX, ALLOW),
    ...oneOf(AF_INETS, inet),
    ...whenEqual(AF_NETLINK, netlink),
    ...EAFNOSUPPORT,
  ];
}

/** Loads a word into the accumulator, which the conditions below compare. */
function load(offset: number): readonly Instruction[] {
  return [[0x20, 0, 0, offset]];
}

/** Ends the program: the call fails with this error. */
function fail(errno: number): readonly Instruction[] {
  return [[0x06, 0, 0, 0x0005_0000 | errno]];
}

function whenEqual(k: number, then: readonly Instruction[]): readonly Instruction[] {
  return [[0x15, 0, then.length, k], ...then];
}

function unlessEqual(k: number, then: readonly Instruction[]): readonly Instruction[] {
  return [[0x15, then.length, 0, k], ...then];
}

function whenAbove(k: number, then: readonly Instruction[]): readonly Instruction[] {
  return [[0x25, 0, then.length, k], ...then];
}

function whenAnyBit(mask: number, then: readonly Instruction[]): readonly Instruction[] {
  return [[0x45, 0, then.length, mask], ...then];
}

/** `then` must end the program: it loads what the next comparison would not expect. */
function oneOf(ks: readonly number[], then: readonly Instruction[]): readonly Instruction[] {
  return ks.flatMap(k => whenEqual(k, then));
}

/** `struct sock_filter`, one after the other. */
function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, jumpTrue, jumpFalse, k]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, index * 8 + 4);
  }
  return bytes;
}
