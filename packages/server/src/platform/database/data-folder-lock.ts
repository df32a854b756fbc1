/**
 * One server per data folder. Two processes that open the same PGlite files destroy them without
 * an error, so the second must be refused, and a folder left behind by a killed process must open
 * again. The lock is the operating system's own file lock, held through SQLite, which Node brings:
 * the kernel releases it when the process ends, however it ends, so there is no stale lock to judge
 * (process ids and start times cannot be compared between containers that share a volume). Which
 * process holds it stands in a file beside it, for the message only.
 */
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const LOCK_FILE = 'holdfast.lock';
const HOLDER_FILE = 'holdfast.pid';
/** SQLite's result code for a file that somebody else has locked. */
const SQLITE_BUSY = 5;

export interface DataFolderLock {
  /** Idempotent. */
  release(): void;
}

/** Locks `folder` (made if missing, mode 0700) for this process; throws when another has it. */
export function lockDataFolder(folder: string): DataFolderLock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = realpathSync(folder);
  const file = new DatabaseSync(join(path, LOCK_FILE), { timeout: 0 });
  try {
    file.exec('begin exclusive');
  } catch (error) {
    file.close();
    throw isBusy(error) ? new Error(refusal(path)) : error;
  }
  writeFileSync(join(path, HOLDER_FILE), `${process.pid}\n`);
  return {
    release() {
      if (file.isOpen) file.close();
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

function refusal(folder: string): string {
  return (
    `another Holdfast server (process ${holder(folder)}) uses the data folder ${folder}: ` +
    'stop it, choose another HOLDFAST_DATA_DIR, or set DATABASE_URL to share one PostgreSQL'
  );
}

function holder(folder: string): string {
  try {
    return readFileSync(join(folder, HOLDER_FILE), 'utf8').trim() || 'unknown';
  } catch {
    return 'unknown';
  }
}
