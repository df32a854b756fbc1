/**
 * One server per data folder, and one database. Two locks show what runs:
 *
 * - `holdfast.lock` is held by the processes that serve: the one that opened the database, and
 *   those that inherited the descriptor from it (the server and the worker below a launcher). While
 *   it is held, a second server is refused. The database's guard waits for it to stop the database
 *   when the last of them is gone, however they ended.
 * - `postgres.lock` is held by the guard and every process of the database. While it is held, some
 *   database process may still write; once it is free, none is left and `postmaster.pid` is stale.
 *   (PostgreSQL itself asks that file, which means nothing across process namespaces.)
 *
 * Both are tried before anything in the folder is touched, the first only for a moment at first:
 * the guard of the start before must be able to get it.
 */
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseLog } from '../database.ts';
import { EmbeddedDatabaseError } from './error.ts';
import { type FileLock, lockFile } from './file-lock.ts';

/** A database stops within the time that its guard gives it; see `guard.ts`. */
const ENDING_TIMEOUT_MS = 30_000;
const ORPHAN_TIMEOUT_MS = 10_000;
/** The guard holds the lock for a moment before it stops a database that no process uses. */
const SERVING_TIMEOUT_MS = 300;
/** Between what the server noted and what the kernel counts; both are whole seconds. */
const START_TOLERANCE_S = 5;
/** Linux's unit of start times towards programs, on every platform that Node runs on. */
const TICKS_PER_S = 100;
const HOLDER_FILE = 'holdfast.pid';

export interface FolderLock {
  /** For every process that works on this folder. */
  readonly serving: FileLock;
  /** For the first process of the database. */
  readonly database: FileLock;
}

export interface LockedFolder {
  readonly dataDir: string;
  readonly clusterDir: string;
}

export const servingLockPath = (dataDir: string) => join(dataDir, 'holdfast.lock');
export const databaseLockPath = (dataDir: string) => join(dataDir, 'postgres.lock');

/** Throws when another server has the folder, or when its database does not end. */
export async function lockFolder(folder: LockedFolder, log: DatabaseLog): Promise<FolderLock> {
  const { dataDir } = folder;
  (await lockServing(dataDir)).release();
  const database = await lockDatabase(folder, log);
  let serving: FileLock | undefined;
  try {
    serving = await lockServing(dataDir);
    writeFileSync(join(dataDir, HOLDER_FILE), `${process.pid}\n`, { mode: 0o600 });
    return { serving, database };
  } catch (error) {
    serving?.release();
    database.release();
    throw error;
  }
}

/** Throws when another server has the folder. */
async function lockServing(dataDir: string): Promise<FileLock> {
  const lock = await lockFile(servingLockPath(dataDir), SERVING_TIMEOUT_MS);
  if (lock === undefined) throw new EmbeddedDatabaseError(refusal(dataDir));
  return lock;
}

async function lockDatabase(folder: LockedFolder, log: DatabaseLog): Promise<FileLock> {
  const path = databaseLockPath(folder.dataDir);
  const free = await lockFile(path);
  if (free) return free;
  log.warn('database.still_ending', { folder: folder.clusterDir });
  const ended = await lockFile(path, ENDING_TIMEOUT_MS);
  if (ended) return ended;
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    // A server that started beside this one may have the folder by now, and the database is its.
    (await lockServing(folder.dataDir)).release();
    if (!stopOrphan(folder.clusterDir, signal)) break;
    log.warn('database.orphan_stopped', { folder: folder.clusterDir, signal });
    const stopped = await lockFile(path, ORPHAN_TIMEOUT_MS);
    if (stopped) return stopped;
  }
  throw new EmbeddedDatabaseError(
    `a database of an earlier start still runs in ${folder.clusterDir} and could not be stopped ` +
      'from here (it may run in another container): stop it, then start again',
  );
}

function refusal(dataDir: string): string {
  return (
    `another Holdfast server (process ${holder(dataDir)}) uses the data folder ${dataDir}: ` +
    'stop it, choose another HOLDFAST_DATA_DIR, or set DATABASE_URL to share one PostgreSQL'
  );
}

function holder(dataDir: string): string {
  try {
    return readFileSync(join(dataDir, HOLDER_FILE), 'utf8').trim() || 'unknown';
  } catch {
    return 'unknown';
  }
}

/**
 * Signals the server of `clusterDir` that `postmaster.pid` names, if that process is certainly
 * that server: it works in that folder and started at the time in the file. Answers whether it did.
 */
export function stopOrphan(clusterDir: string, signal: NodeJS.Signals): boolean {
  try {
    const lines = readFileSync(join(clusterDir, 'postmaster.pid'), 'utf8').split('\n');
    const [pid, startedAtS] = [Number(lines[0]), Number(lines[2])];
    if (!Number.isInteger(pid) || pid <= 1) return false;
    if (readlinkSync(`/proc/${pid}/cwd`) !== clusterDir) return false;
    if (Math.abs(startTimeS(pid) - startedAtS) > START_TOLERANCE_S) return false;
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** When a process started, in seconds since the epoch. */
function startTimeS(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold spaces; the start time is the 20th field behind it.
  const ticks = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  const bootS = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
  return bootS + ticks / TICKS_PER_S;
}
