/**
 * A service as a child process that cannot outlive us: it is stopped by `stop()`, killed when this
 * process exits, and on Linux the kernel signals it when this process is killed outright.
 *
 *   starting → ready (its output matched) → stopped
 *
 * Readiness is read from the service's own output, never guessed from elapsed time.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';

export const SETPRIV = '/usr/bin/setpriv';
const OUTPUT_KEPT_CHARS = 64 * 1024;
const STOP_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 60_000;

export interface ChildRequest {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Stands before the command and ends in `setpriv`, which takes further options. */
  readonly prefix?: readonly string[];
  /** Matched against the output (stdout and stderr together); the match is handed back. */
  readonly ready: RegExp;
  readonly readyTimeoutMs?: number;
  /** What asks it to end quickly but cleanly. Default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals;
  /** Removes what the service leaves behind. Runs once, also when this process exits early. */
  readonly cleanUp?: () => void;
}

export interface RunningChild {
  readonly pid: number;
  readonly match: RegExpMatchArray;
  /** The last part of what it printed. */
  output(): string;
  stop(): Promise<void>;
}

const running = new Set<() => void>();
process.once('exit', () => {
  for (const killNow of running) killNow();
});

/** Starts a service and waits until it is ready; a failed start leaves nothing behind. */
export async function startChild(request: ChildRequest): Promise<RunningChild> {
  const stopSignal = request.stopSignal ?? 'SIGTERM';
  const child = spawnBound(request, stopSignal);
  let output = '';
  const keep = (chunk: string) => {
    output = (output + chunk).slice(-OUTPUT_KEPT_CHARS);
    child.emit('output');
  };
  child.stdout?.setEncoding('utf8').on('data', keep);
  child.stderr?.setEncoding('utf8').on('data', keep);

  let cleaned = false;
  const finish = () => {
    running.delete(killNow);
    if (!cleaned) request.cleanUp?.();
    cleaned = true;
  };
  const killNow = () => {
    child.kill(stopSignal === 'SIGINT' ? 'SIGQUIT' : 'SIGKILL');
    finish();
  };
  running.add(killNow);
  const stop = async () => {
    await endChild(child, stopSignal);
    finish();
  };
  try {
    const match = await whenReady(child, request, () => output);
    return { pid: child.pid ?? 0, match, output: () => output, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A TCP port that was free a moment ago. Another process may take it meanwhile. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no TCP port was given');
  return address.port;
}

/** Tries again with another port when another process took the one that `freePort` found. */
export async function withFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  const attempts = 3;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (attempt === attempts || !/address already in use/i.test(String(error))) throw error;
    }
  }
}

/** Removes a service's folder, also while the service is still putting away its files. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

function spawnBound(request: ChildRequest, stopSignal: NodeJS.Signals): ChildProcess {
  const bound: string[] = [];
  if (process.platform === 'linux' && existsSync(SETPRIV)) {
    bound.push(...(request.prefix ?? [SETPRIV]), `--pdeathsig=${stopSignal.replace('SIG', '')}`);
  }
  const [command, ...args] = [...bound, request.command, ...request.args];
  return spawn(command ?? request.command, args, {
    env: { ...process.env, ...request.env },
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function whenReady(
  child: ChildProcess,
  request: ChildRequest,
  output: () => string,
): Promise<RegExpMatchArray> {
  const { promise, resolve, reject } = Promise.withResolvers<RegExpMatchArray>();
  const fail = (why: string) => reject(new Error(`${request.name} ${why}\n${output().trim()}`));
  const timeoutMs = request.readyTimeoutMs ?? READY_TIMEOUT_MS;
  const timer = setTimeout(() => fail(`was not ready within ${timeoutMs} ms`), timeoutMs);
  const look = () => {
    const match = output().match(request.ready);
    if (match) resolve(match);
  };
  const onExit = (code: number | null, signal: string | null) =>
    fail(`ended before it was ready (${signal ?? code})`);
  const onError = (error: Error) => fail(`could not be started: ${error.message}`);
  child.on('output', look).once('close', onExit).once('error', onError);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    child.off('output', look).off('close', onExit).off('error', onError);
    child.on('error', () => {});
  }
}

async function endChild(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
