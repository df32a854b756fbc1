import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { endsWithin, HoldfastError } from '../../kernel/index.ts';
import {
  ancestors,
  dropUser,
  findOnPath,
  ISOLATED_UID,
  NODE_INSIDE,
  namespaces,
  programMounts,
} from './bubblewrap.ts';
import { type ControlGroups, confine, ownControlGroups } from './control-groups.ts';

/** A program of ours that reads untrusted input, from its standard input only. */
export interface ConfinedProgram {
  /** Its file; it exits with 0 when it is called with `--probe`. */
  readonly main: string;
  /** Files and folders that it is made of. It sees nothing else of the server's. */
  readonly readOnly: readonly string[];
  readonly limits: ConfinedLimits;
}

export interface ConfinedLimits {
  /** Programs at once; further ones wait. */
  readonly runsMax: number;
  /** What JavaScript may hold. */
  readonly heapMaxBytes: number;
  readonly cpuMaxS: number;
  /** From its start to its end, on a busy machine too; waiting for its turn does not count. */
  readonly timeoutMs: number;
}

type ConfinedEnd =
  | { readonly kind: 'done'; readonly output: string }
  /** It ended by a limit, or in any other way than with exit code 0. */
  | { readonly kind: 'stopped'; readonly by: 'cpu' | 'wall' | 'memory' | 'itself' };

interface Confined {
  /**
   * Runs the program on an open file, which the caller closes. Throws where it cannot start, and
   * `unavailable` where the machine is too busy to show whether it can be isolated.
   */
  run(fd: number): Promise<ConfinedEnd>;
}

/**
 * Of all its processes, beside the hundred of the server: priorities order processes of one group
 * only. What is parsed can wait; nobody's work has to wait for it.
 */
const CPU_WEIGHT = 10;
/** A Node process reserves about so much besides its heap: code, stacks, buffers. */
const PROCESS_DATA_BYTES = 768 * 1024 * 1024;
const OUTPUT_MAX_BYTES = 64 * 1024;
const PROBE_TIMEOUT_MS = 15_000;

/**
 * Runs a program in a process per input: within limits on memory and time, at low priority, without
 * our environment, unable to write a file, and, where bubblewrap works, without network and files
 * of the host. `onOpen` is called once where it does not.
 */
export function createConfined(program: ConfinedProgram, onOpen: (why: string) => void): Confined {
  const { limits } = program;
  const turns = new Turns(limits.runsMax);
  let prefix: Promise<string[]> | undefined;
  return {
    async run(fd) {
      // A probe that could not end says nothing of bubblewrap: the next run tries again.
      prefix ??= isolation(program, onOpen).catch((error: unknown) => {
        prefix = undefined;
        throw error;
      });
      const command = [...(await prefix), ...nodeArguments(program)];
      return turns.take(() => runOnce(command, limits, fd));
    },
  };
}

/** Lets `max` at once; the others wait in order. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number) {
    this.#free = max;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>(resolve => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }
}

/** Bubblewrap and the Node inside; or our own Node, where that does not work. */
async function isolation(
  program: ConfinedProgram,
  onOpen: (why: string) => void,
): Promise<string[]> {
  const open = [process.execPath];
  const bwrap = findOnPath('bwrap');
  if (bwrap === undefined) {
    onOpen('bubblewrap (bwrap) is not installed');
    return open;
  }
  const isolated = [bwrap, ...bubblewrapArguments(program)];
  const probe = [...isolated, ...nodeArguments(program), '--probe'];
  const limits = { ...program.limits, timeoutMs: PROBE_TIMEOUT_MS };
  const end = await runOnce(probe, limits, 'ignore');
  if (end.kind === 'done') return isolated;
  if (end.by === 'wall' || end.by === 'cpu') {
    throw new HoldfastError('unavailable', 'The machine is too busy to start a parser; try again.');
  }
  onOpen('bubblewrap does not work here');
  return open;
}

function bubblewrapArguments({ readOnly }: ConfinedProgram): string[] {
  const isRoot = process.getuid?.() === 0;
  return [
    ...namespaces(isRoot),
    ...programMounts(),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...readOnly.flatMap(path => [...ancestors(path), '--ro-bind', path, path]),
    ...['--remount-ro', '/dev', '--remount-ro', '/', '--chdir', '/', '--clearenv', '--'],
    ...(isRoot ? dropUser({ uid: ISOLATED_UID, gid: ISOLATED_UID }) : []),
    NODE_INSIDE,
  ];
}

function nodeArguments({ main, limits }: ConfinedProgram): string[] {
  const heapMib = Math.ceil(limits.heapMaxBytes / (1024 * 1024));
  return [`--max-old-space-size=${heapMib}`, '--disable-warning=ExperimentalWarning', main];
}

/**
 * Limits that the shell sets hold for what it becomes, as the lowest priority does; without all of
 * them nothing starts. The kernel ends it first of all.
 */
const LIMITED =
  '{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null; ulimit -c 0 && ulimit -f 0 && ' +
  'ulimit -S -t "$1" && ulimit -d "$2" && shift 2 && exec nice -n 39 "$@"';

function start(
  command: readonly string[],
  { cpuMaxS, heapMaxBytes }: ConfinedLimits,
  input: number | 'ignore',
): ChildProcess {
  const dataKib = Math.ceil((heapMaxBytes + PROCESS_DATA_BYTES) / 1024);
  const limited = ['-c', LIMITED, 'sh', String(cpuMaxS), String(dataKib), ...command];
  return spawn('/bin/sh', limited, { env: {}, cwd: '/', stdio: [input, 'pipe', 'ignore'] });
}

async function runOnce(
  command: readonly string[],
  limits: ConfinedLimits,
  input: number | 'ignore',
): Promise<ConfinedEnd> {
  const group = groups()?.create({ cpuWeight: CPU_WEIGHT });
  try {
    const child = start(command, limits, input);
    confine(child, group);
    return await supervise(child, limits.timeoutMs);
  } finally {
    await group?.remove();
  }
}

/** Looked for once: the kernel's files tell where a process may make groups. */
let ownGroups: { readonly found: ControlGroups | undefined } | undefined;
function groups(): ControlGroups | undefined {
  ownGroups ??= { found: ownControlGroups() };
  return ownGroups.found;
}

async function supervise(child: ChildProcess, timeoutMs: number): Promise<ConfinedEnd> {
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const output = new Output(child);
  const isInTime = await endsWithin(closed, timeoutMs);
  if (!isInTime) child.kill('SIGKILL');
  const [code, signal] = await closed;
  if (code === 0) return { kind: 'done', output: output.text };
  const number = signal === null ? (code ?? 0) - SIGNALLED : constants.signals[signal];
  if (!isInTime) return { kind: 'stopped', by: 'wall' };
  if (number === constants.signals.SIGXCPU) return { kind: 'stopped', by: 'cpu' };
  const isMemory = MEMORY_SIGNALS.includes(number) && !output.isTooLong;
  return { kind: 'stopped', by: isMemory ? 'memory' : 'itself' };
}

/** Bubblewrap and shells exit with this plus the number of the signal that ended a program. */
const SIGNALLED = 128;
/** V8 aborts or traps where its heap is full; the kernel kills where its memory is. */
const MEMORY_SIGNALS: readonly number[] = [
  constants.signals.SIGABRT,
  constants.signals.SIGTRAP,
  constants.signals.SIGKILL,
];

/** What a program prints; one that prints too much is ended. */
class Output {
  readonly #parts: Buffer[] = [];
  #sizeBytes = 0;

  constructor(child: ChildProcess) {
    child.stdout?.on('data', (part: Buffer) => {
      this.#sizeBytes += part.length;
      if (this.isTooLong) child.kill('SIGKILL');
      else this.#parts.push(part);
    });
  }

  get isTooLong(): boolean {
    return this.#sizeBytes > OUTPUT_MAX_BYTES;
  }

  get text(): string {
    return Buffer.concat(this.#parts).toString('utf8');
  }
}
