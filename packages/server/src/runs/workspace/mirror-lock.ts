import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../kernel/index.ts';

/** SQLite's result code for a file that another connection has locked. */
const SQLITE_BUSY = 5;
const RETRY_MS = 50;

/**
 * One at a time for a name: in this process by a queue, between processes by the operating system's
 * own lock on a file (held through SQLite), which ends with the process that has it.
 */
export class Locks {
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #waitMs: number;

  /** `waitMs`: how long another process may hold a lock until `unavailable` is thrown. */
  constructor(waitMs: number) {
    this.#waitMs = waitMs;
  }

  /** Runs `work` alone; `file` is made when absent and stays. */
  async run<T>(file: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(file) ?? Promise.resolve();
    const mine = before.then(() => this.#locked(file, work));
    const settled = mine.catch(() => {});
    this.#queues.set(file, settled);
    try {
      return await mine;
    } finally {
      if (this.#queues.get(file) === settled) this.#queues.delete(file);
    }
  }

  async #locked<T>(file: string, work: () => Promise<T>): Promise<T> {
    const until = performance.now() + this.#waitMs;
    let lock = tryLock(file);
    while (lock === undefined) {
      if (performance.now() > until) {
        throw new HoldfastError('unavailable', 'Another process is busy with this repository.');
      }
      await sleep(RETRY_MS);
      lock = tryLock(file);
    }
    try {
      return await work();
    } finally {
      lock.close();
    }
  }
}

function tryLock(file: string): DatabaseSync | undefined {
  const lock = new DatabaseSync(file, { timeout: 0 });
  try {
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY) {
      return undefined;
    }
    throw error;
  }
}
