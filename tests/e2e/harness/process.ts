import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { SETPRIV } from '../../../tools/services/child.ts';

/** Lines of output kept to show when a process fails. */
const KEPT_LINES = 200;
/** Much more than a start takes, for machines that are busy with something else. */
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 40_000;

/** A child process whose JSON log lines can be waited for. */
export interface TestProcess {
  readonly child: ChildProcess;
  /** The newest lines of standard output and error. */
  readonly lines: readonly string[];
  /** Resolves with the first JSON line, past or future, that matches. */
  waitFor(
    match: (line: Record<string, unknown>) => boolean,
    timeoutMs?: number,
  ): Promise<Record<string, unknown>>;
  /** SIGTERM and the exit code; SIGKILL when it does not end in time, which is an error. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  /** SIGKILL, at once. */
  kill(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts a TypeScript file with the Node that runs the tests, with `env` and PATH alone. */
export function startProcess(script: string, env: Record<string, string>): TestProcess {
  // A test run that is killed cannot stop its servers: the kernel does.
  const bound = existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig=KILL'] : [];
  const [command, ...args] = [...bound, process.execPath, script];
  const child = spawn(command!, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...ofTheRun(), ...env },
  });
  running.add(child);
  const exited = new Promise<number | null>(resolve => {
    child.once('exit', code => {
      running.delete(child);
      resolve(code);
    });
  });
  const lines: string[] = [];
  const parsed: Record<string, unknown>[] = [];
  const waiting = new Set<(line: Record<string, unknown>) => void>();
  const take = (text: string) => {
    lines.push(text);
    if (lines.length > KEPT_LINES) lines.shift();
    const line = parseLine(text);
    if (line === undefined) return;
    parsed.push(line);
    if (parsed.length > 5 * KEPT_LINES) parsed.shift();
    for (const tell of waiting) tell(line);
  };
  createInterface({ input: child.stdout! }).on('line', take);
  createInterface({ input: child.stderr! }).on('line', take);
  return {
    child,
    lines,
    waitFor: (match, timeoutMs = READY_TIMEOUT_MS) =>
      waitForLine({ child, script, match, timeoutMs, parsed, waiting, exited, lines }),
    stop: signal => stop(child, exited, signal ?? 'SIGTERM'),
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Where Node writes what was covered, or keeps compiled code, if the test run has it do so. */
function ofTheRun(): Record<string, string> {
  const names = ['NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE'];
  return Object.fromEntries(
    names.flatMap(name => (process.env[name] ? [[name, process.env[name]]] : [])),
  );
}

function parseLine(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

interface Waiting {
  readonly child: ChildProcess;
  readonly script: string;
  readonly match: (line: Record<string, unknown>) => boolean;
  readonly timeoutMs: number;
  readonly parsed: readonly Record<string, unknown>[];
  readonly waiting: Set<(line: Record<string, unknown>) => void>;
  readonly exited: Promise<number | null>;
  readonly lines: readonly string[];
}

function waitForLine(wait: Waiting): Promise<Record<string, unknown>> {
  const past = wait.parsed.find(wait.match);
  if (past) return Promise.resolve(past);
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      done();
      reject(new Error(`${wait.script} ${why}:\n${wait.lines.slice(-40).join('\n')}`));
    };
    const timer = setTimeout(() => fail('did not say what was waited for'), wait.timeoutMs);
    const tell = (line: Record<string, unknown>) => {
      if (!wait.match(line)) return;
      done();
      resolve(line);
    };
    const done = () => {
      clearTimeout(timer);
      wait.waiting.delete(tell);
    };
    wait.waiting.add(tell);
    void wait.exited.then(code => {
      if (wait.waiting.has(tell)) fail(`ended with ${code ?? wait.child.signalCode}`);
    });
  });
}

async function stop(
  child: ChildProcess,
  exited: Promise<number | null>,
  signal: NodeJS.Signals,
): Promise<number | null> {
  child.kill(signal);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>(resolve => {
    timer = setTimeout(() => resolve('late'), STOP_TIMEOUT_MS);
  });
  const first = await Promise.race([exited, late]);
  clearTimeout(timer);
  if (first !== 'late') return first;
  child.kill('SIGKILL');
  throw new Error(`process ${child.pid} did not end within ${STOP_TIMEOUT_MS} ms of ${signal}`);
}
