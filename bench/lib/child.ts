/** Starts programs pinned to one core and ends them for certain. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const MAX_ERROR_CHARACTERS = 2_000;

export interface PinnedOptions {
  readonly core: number;
  readonly env?: NodeJS.ProcessEnv;
  /** Opens an IPC channel. */
  readonly ipc?: boolean;
}

export interface PinnedChild {
  readonly process: ChildProcess;
  /** The first match of `pattern` in what the child prints. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  stop(): Promise<void>;
}

/** The niceness of all children, below 0 for machines that do other work too. */
export const priority = { nice: 0 };

const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) child.kill('SIGKILL');
    process.exit(1);
  });
}

/** Runs `command` under `taskset`, which becomes it: the child's pid is the command's. */
export function startPinned(command: readonly string[], options: PinnedOptions): PinnedChild {
  const pinned = ['taskset', '-c', String(options.core), ...command];
  const [program, ...args] = ['nice', '-n', String(priority.nice), ...pinned];
  const child = spawn(program!, args, {
    env: options.env ?? process.env,
    stdio: ['ignore', 'pipe', 'pipe', ...(options.ipc ? (['ipc'] as const) : [])],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output = (output + chunk).slice(-MAX_ERROR_CHARACTERS);
      child.emit('printed');
    });
  }
  const printed = async (pattern: RegExp) => {
    const deadline = AbortSignal.timeout(START_TIMEOUT_MS);
    for (;;) {
      const match = pattern.exec(output);
      if (match !== null) return match;
      if (child.exitCode !== null) throw new Error(`${command.join(' ')}: ${output}`);
      await Promise.race([once(child, 'printed', { signal: deadline }), once(child, 'exit')]);
    }
  };
  return { process: child, printed, stop: () => stop(child) };
}

/** Moves a running process to one core; what it starts later follows. */
export function pin(pid: number, core: number): void {
  spawnSync('taskset', ['-c', '-p', String(core), String(pid)]);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

/** Waits until something listens on a loopback port. */
export async function listening(port: number): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const connected = await new Promise<boolean>(resolve => {
      socket.on('connect', () => resolve(true));
      socket.on('error', () => resolve(false));
    });
    socket.destroy();
    if (connected) return;
    if (performance.now() > deadlineMs) throw new Error(`nothing listens on port ${port}`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}
