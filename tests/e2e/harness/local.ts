/**
 * `npm start` as a person runs it, with everything below it found by what belongs to it alone: its
 * data folder in a command line or as a working folder, or a mark in the environment.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const READY_TIMEOUT_MS = 90_000;
const END_TIMEOUT_MS = 60_000;
const LOOK_MS = 50;
const OUTPUT_MAX_CHARS = 200_000;
const MARK = 'LOCAL_TEST_DATA_DIR';

export const PARTS = ['npm', 'launcher', 'server', 'worker', 'database'] as const;
export type Part = (typeof PARTS)[number];

export interface Found {
  readonly pid: number;
  /** In clock ticks since the machine started; with the pid it names a process for ever. */
  readonly startTime: string;
  /** Of `PARTS`, or `simulator`, `guard`, or the command line of anything else. */
  readonly name: string;
}

export interface LocalOptions {
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Before `npm`, as `setpriv` is. */
  readonly prefix?: readonly string[];
  /** Another checkout. */
  readonly root?: string;
}

export class LocalStart {
  readonly dataDir: string;
  readonly child: ChildProcess;
  /** The exit code of npm, as a shell would report it; null where a signal ended it. */
  readonly ended: Promise<number | null>;
  readonly #others: Others;
  #output = '';

  constructor({ dataDir, env = {}, prefix = [], root = ROOT }: LocalOptions) {
    this.dataDir = dataDir;
    this.#others = othersThan(dataDir);
    const [program, ...args] = [...prefix, 'npm', 'start'];
    this.child = spawn(program!, args, {
      cwd: root,
      // A session of its own, as under a terminal: npm is killed without the test.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...cleanEnvironment(),
        PORT: '0',
        LOG_FORMAT: 'json',
        HOLDFAST_DATA_DIR: dataDir,
        HOLDFAST_RATE_LIMIT_PER_MINUTE: '1000000',
        HOLDFAST_RATE_LIMIT_BURST: '1000000',
        HOLDFAST_SHUTDOWN_ACCEPT: '0',
        [MARK]: dataDir,
        ...env,
      },
    });
    this.ended = once(this.child, 'close').then(([code]) => code);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream!.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_MAX_CHARS);
        this.child.emit('printed');
      });
    }
  }

  /** The newest of what everything has printed. */
  get output(): string {
    return this.#output;
  }

  /** Resolves with the match once it is printed; throws when all ends before, or too late. */
  async printed(pattern: RegExp, timeoutMs = READY_TIMEOUT_MS): Promise<RegExpExecArray> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const match = pattern.exec(this.#output);
      if (match) return match;
      const next = once(this.child, 'printed', { signal }).then(() => 'printed');
      const first = await Promise.race([next, this.ended]).catch(() => 'late');
      if (first === 'printed') continue;
      throw new Error(`${pattern} was not printed (${first}):\n${this.#output.slice(-8_000)}`);
    }
  }

  /** The address of the API, once the banner is printed. */
  async url(): Promise<string> {
    await this.printed(/Ctrl-C stops everything/);
    return (await this.printed(/^ {2}API {7}(\S+)\/v1$/m))[1]!;
  }

  /** Everything of it that is alive. */
  processes(): Found[] {
    return processesOf(this.dataDir, this.#others);
  }

  /** Sends `signal` to each process of that name; answers whether there was one. */
  signal(part: string, signal: NodeJS.Signals = 'SIGKILL'): boolean {
    const found = this.processes().filter(({ name }) => name === part);
    for (const { pid } of found) kill(pid, signal);
    return found.length > 0;
  }

  /** What is alive still when the time for it is over. */
  async left(timeoutMs = END_TIMEOUT_MS): Promise<Found[]> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const found = this.processes();
      if (found.length === 0 || performance.now() > deadlineMs) return found;
      await delay(LOOK_MS);
    }
  }

  /** As Ctrl-C does, and again for what holds it up; kills what is left then, which is a fault. */
  async stop(): Promise<void> {
    this.signal('npm', 'SIGINT');
    this.signal('launcher', 'SIGTERM');
    const left = await this.left();
    if (left.length === 0) return;
    this.killAll();
    throw new Error(`left over: ${JSON.stringify(left)}\n${this.#output.slice(-8_000)}`);
  }

  killAll(): void {
    for (const { pid } of this.processes()) kill(pid, 'SIGKILL');
  }
}

/** Processes that are none of ours, by pid, with their start: looked into once, not each time. */
type Others = ReadonlyMap<number, string>;

function othersThan(dataDir: string): Others {
  const ours = new Set(processesOf(dataDir, new Map()).map(({ pid }) => pid));
  return new Map(
    pids()
      .filter(pid => !ours.has(pid))
      .map(pid => [pid, startTimeOf(pid)]),
  );
}

/** All processes that belong to the data folder, zombies left out. */
function processesOf(dataDir: string, others: Others): Found[] {
  // Whatever matches may be killed: nothing less than a whole path of a folder made for one test.
  if (!/^\/.*holdfast-[\w-]+[A-Za-z0-9]{6}\//.test(dataDir))
    throw new Error(`not ours: ${dataDir}`);
  const isWithin = (text: string) => text === dataDir || text.startsWith(`${dataDir}/`);
  return pids().flatMap(pid => {
    const startTime = startTimeOf(pid);
    if (others.get(pid) === startTime) return [];
    const commandLine = read(pid, 'cmdline');
    if (commandLine === '') return [];
    const environment = read(pid, 'environ').split('\0');
    const isOurs =
      environment.includes(`${MARK}=${dataDir}`) ||
      commandLine.split('\0').some(isWithin) ||
      isWithin(workingFolder(pid));
    return isOurs ? [{ pid, startTime, name: nameOf(commandLine, environment) }] : [];
  });
}

function pids(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

function nameOf(commandLine: string, environment: readonly string[]): string {
  const words = commandLine.split('\0');
  if (/^npm start/.test(commandLine) || words[1]?.endsWith('/npm')) return 'npm';
  const isLauncher = words.some(word => /tools\/start\.(ts|mjs)$/.test(word));
  if (isLauncher && words[0] !== 'sh') return 'launcher';
  if (words.some(word => word.endsWith('server/src/main.ts'))) {
    return environment.includes('HOLDFAST_ROLES=worker') ? 'worker' : 'server';
  }
  if (words.some(word => word.endsWith('simulator/src/main.ts'))) return 'simulator';
  if (words.includes('holdfast-database-guard')) return 'guard';
  if (words[0]!.endsWith('/postgres') && words.includes('-D')) return 'database';
  return words.join(' ').slice(0, 100);
}

function startTimeOf(pid: number): string {
  const stat = read(pid, 'stat');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function workingFolder(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Nothing that the machine of the test has set may reach the server, nor npm's own variables. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours = /^(HOLDFAST|AZURE|OPENAI|ANTHROPIC|GEMINI|GOOGLE|DATABASE|REDIS|SIMULATOR)_|^PORT$/;
  const others = /^VITEST|^npm_/;
  const isClean = ([name]: [string, unknown]) => !ours.test(name) && !others.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(isClean));
}
