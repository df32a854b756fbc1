/**
 * The operating system's file locks (`flock`), taken through util-linux's program of that name.
 * Such a lock belongs to the open file, not to a process: every process that inherits the
 * descriptor holds it too, in whatever container or namespace, and the kernel ends it with the last
 * of them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { EmbeddedDatabaseError } from './error.ts';

const CONFLICT = 1;

export interface FileLock {
  /** For children to inherit: every process with a copy holds the lock. */
  readonly fd: number;
  /** Closes our own copy. Idempotent. */
  release(): void;
}

/** Undefined when another open file still has the lock after `waitMs`. The file stays. */
export async function lockFile(path: string, waitMs = 0): Promise<FileLock | undefined> {
  let fd: number | undefined = openSync(path, 'a', 0o600);
  const release = () => {
    if (fd !== undefined) closeSync(fd);
    fd = undefined;
  };
  try {
    if (await flock(fd, waitMs)) return { fd, release };
  } catch (error) {
    release();
    throw error;
  }
  release();
  return undefined;
}

async function flock(fd: number, waitMs: number): Promise<boolean> {
  const patience = waitMs === 0 ? ['--nonblock'] : ['--timeout', String(waitMs / 1_000)];
  const child = spawn('flock', [...patience, '--exclusive', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', fd],
  });
  let output = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = await once(child, 'close').catch((cause: unknown) => {
    throw new EmbeddedDatabaseError(
      'the data folder cannot be locked: `flock` (util-linux) is missing',
      { cause },
    );
  });
  if (code === 0) return true;
  if (code === CONFLICT && output === '') return false;
  throw new EmbeddedDatabaseError(
    `the data folder cannot be locked: ${output.trim() || `flock ended: ${code}`}`,
  );
}
