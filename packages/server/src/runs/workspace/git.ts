import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** A file beyond this is compared by its name and size only. */
export const LARGE_FILE_BYTES = 32 * 1024 ** 2;
/**
 * Memory of one git process. An agent chooses the objects that git reads: a few bytes of deltas can
 * claim to become gigabytes. What git maps from packs does not count.
 */
export const GIT_MEMORY_MAX_BYTES = 1024 ** 3;
/** A shell, because Node cannot set limits of a child; git takes its place. */
const LIMITED = ['-c', 'ulimit -d "$0" && exec git "$@"', String(GIT_MEMORY_MAX_BYTES / 1024)];

/**
 * Git as the server runs it: on its own mirrors only, with no configuration but the one here.
 * Everything that could make git run a program (hooks, fsmonitor, filters, external diffs,
 * credential helpers, exotic transports) is off, and attributes and replacement objects are
 * ignored.
 */
const HARDENED = [
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['core.attributesFile', '/dev/null'],
  ['core.excludesFile', '/dev/null'],
  ['core.askPass', ''],
  ['credential.helper', ''],
  ['diff.external', ''],
  ['protocol.ext.allow', 'never'],
  ['submodule.recurse', 'false'],
  ['fetch.recurseSubmodules', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  // A redirect could lead to an address that was never checked.
  ['http.followRedirects', 'false'],
  ['pack.threads', '1'],
  // Always into a pack, whose growth can be watched; never through memory.
  ['fetch.unpackLimit', '1'],
  // Larger files pass through in pieces instead of by way of memory, and are never diffed.
  ['core.bigFileThreshold', String(LARGE_FILE_BYTES)],
].flatMap(([key, value]) => ['-c', `${key}=${value}`]);

export const SSH = 'ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=20';
const KILL_AFTER_MS = 3_000;
const ERROR_MAX_CHARS = 4_000;
const OUTPUT_MAX_BYTES = 1024 ** 2;

export interface GitOptions {
  readonly gitDir?: string;
  /** On top of the fixed environment: object directories, a remote's credentials. */
  readonly env?: Readonly<Record<string, string>>;
  /** `https:ssh` and so on; default: none. */
  readonly protocols?: string;
  readonly timeoutMs: number;
  /** Default 1 MiB; more is an error. */
  readonly maxOutputBytes?: number;
  readonly input?: string | Readable;
  readonly signal?: AbortSignal;
}

/** Git ended with an error, was stopped, or printed too much. For logs; never shown to a caller. */
export class GitError extends Error {
  override readonly name = 'GitError';
  /** Null: it was killed. */
  readonly code: number | null;
  /** The last lines of its error output, without credentials. */
  readonly output: string;

  constructor(what: string, code: number | null, output: string) {
    super(`git ${what}: ${code ?? 'stopped'} ${output}`);
    this.code = code;
    this.output = output;
  }
}

/** Starts git in a process group of its own. Prefer `git`; this is for streams. */
export function spawnGit(args: readonly string[], options: GitOptions): ChildProcess {
  const child = spawn('/bin/sh', [...LIMITED, ...HARDENED, ...args], {
    cwd: '/',
    detached: true,
    stdio: 'pipe',
    env: {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      HOME: '/nonexistent',
      LC_ALL: 'C',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_ATTR_NOSYSTEM: '1',
      GIT_NO_REPLACE_OBJECTS: '1',
      GIT_OPTIONAL_LOCKS: '0',
      GIT_TERMINAL_PROMPT: '0',
      GIT_ASKPASS: '/bin/false',
      GIT_SSH_COMMAND: SSH,
      GIT_ALLOW_PROTOCOL: options.protocols ?? 'none',
      ...(options.gitDir === undefined ? {} : { GIT_DIR: options.gitDir }),
      ...options.env,
    },
  });
  // Without this listener an error of the child ends the server; `close` reports it too.
  child.on('error', () => {});
  return child;
}

/**
 * Ends git and its helpers; a process that is gone is no error. SIGTERM comes first, so that git
 * removes its lock files: those of a killed git block later commands.
 */
export function killGit(child: ChildProcess): void {
  const signal = (name: NodeJS.Signals) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, name);
    } catch {
      // The group is gone.
    }
  };
  signal('SIGTERM');
  setTimeout(signal, KILL_AFTER_MS, 'SIGKILL').unref();
}

/** Runs git and answers what it printed. Throws `GitError`, or what `input` or `signal` threw. */
export async function git(args: readonly string[], options: GitOptions): Promise<Buffer> {
  const child = spawnGit(args, options);
  const stop = () => killGit(child);
  const timer = setTimeout(stop, options.timeoutMs);
  options.signal?.addEventListener('abort', stop, { once: true });
  if (options.signal?.aborted) stop();
  try {
    const errors = keepErrors(child);
    const [output] = await Promise.all([
      collect(child, options.maxOutputBytes ?? OUTPUT_MAX_BYTES),
      feed(child, options.input),
      once(child, 'close'),
    ]);
    options.signal?.throwIfAborted();
    if (child.exitCode !== 0) throw new GitError(args[0] ?? '', child.exitCode, errors());
    return output;
  } finally {
    stop();
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', stop);
  }
}

/**
 * Runs a git command that tests a condition: true for exit code 0, false for 1; throws otherwise.
 */
export async function gitTest(args: readonly string[], options: GitOptions): Promise<boolean> {
  try {
    await git(args, options);
    return true;
  } catch (error) {
    if (error instanceof GitError && error.code === 1) return false;
    throw error;
  }
}

/** The end of a process's error output, without passwords in addresses. */
export function keepErrors({ stderr }: Pick<ChildProcess, 'stderr'>): () => string {
  let text = '';
  stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-ERROR_MAX_CHARS);
  });
  return () => text.trim().replaceAll(/\/\/[^/@\s]*@/g, '//');
}

async function collect(child: ChildProcess, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of child.stdout!) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      killGit(child);
      throw new GitError('output', null, `more than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Whether a write failed because the program at the other end stopped reading. */
export function isReaderGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}

async function feed(child: ChildProcess, input: string | Readable | undefined): Promise<void> {
  const stdin = child.stdin!;
  if (input === undefined || typeof input === 'string') {
    stdin.on('error', () => {});
    stdin.end(input);
    return;
  }
  try {
    await pipeline(input, stdin);
  } catch (error) {
    // Git that stopped reading reports why; otherwise the source failed.
    if (!isReaderGone(error)) {
      killGit(child);
      throw error;
    }
  }
}
