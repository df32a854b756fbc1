/**
 * Keeps the database running.
 *
 *   starting → running → (ended) → waiting → starting …      closing → closed
 *
 * A server that ended, for whatever reason, is started again after a growing pause, again and
 * again: when its volume is full it ends at once, and it must be back as soon as there is room.
 * Before each start `postgres.lock` is taken anew, which proves that no process of the one before
 * is left.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endsWithin } from '../../../kernel/index.ts';
import type { Binaries } from './binaries.ts';
import { isFull } from './data-folder.ts';
import { EmbeddedDatabaseError } from './error.ts';
import { type FileLock, lockFile } from './file-lock.ts';
import { databaseLockPath, servingLockPath, stopOrphan } from './folder-lock.ts';
import { guarded, STOP_TIMEOUT_MS } from './guard.ts';
import type { RunAs } from './run-as.ts';
import { ServerLog } from './server-log.ts';
import { SOCKET_NAME } from './socket-dir.ts';

const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 5_000;
/** A server that ran for this long and ends is started again after the shortest pause. */
const STEADY_MS = 30_000;
/** Recovery reads a log that is capped. */
const READY_TIMEOUT_MS = 120_000;
const NO_ROOM_PAUSE_MS = 10_000;
/** Until the processes of a server that died have noticed it. */
const LEFTOVERS_TIMEOUT_MS = 10_000;

/** The part of a logger that the embedded database uses. */
export interface EmbeddedLog {
  info(event: string, fields?: Record<string, unknown>): void;
  warn(event: string, fields?: Record<string, unknown>): void;
  error(event: string, fields?: Record<string, unknown>): void;
}

export interface SupervisorParts {
  readonly dataDir: string;
  readonly clusterDir: string;
  readonly socketDir: string;
  readonly binaries: Binaries;
  readonly runAs: RunAs;
  /** `name=value`. */
  readonly settings: readonly string[];
  readonly log: EmbeddedLog;
}

interface Run {
  readonly guard: ChildProcess;
  readonly output: ServerLog;
  readonly ready: Promise<void>;
  /** When the server and its guard have ended. */
  readonly ended: Promise<void>;
}

export class Supervisor {
  readonly #parts: SupervisorParts;
  readonly #closing = new AbortController();
  #run: Run | undefined;
  #noRoomReportedAt = Number.NEGATIVE_INFINITY;
  #watching: Promise<void> = Promise.resolve();

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
  }

  /** Resolves when the database takes connections; throws what kept it from that. */
  async start(lock: FileLock): Promise<void> {
    await this.#startOnce(lock);
    this.#watching = this.#watch();
  }

  /** Stops the database in order and waits for the end of every process of it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#stopRun();
    await endsWithin(this.#watching, LEFTOVERS_TIMEOUT_MS);
    const lock = await lockFile(databaseLockPath(this.#parts.dataDir), LEFTOVERS_TIMEOUT_MS);
    if (lock === undefined) this.#parts.log.error('database.not_ended');
    lock?.release();
  }

  async #watch(): Promise<void> {
    const { log, dataDir } = this.#parts;
    let pauseMs = PAUSE_MIN_MS;
    let startedAt = performance.now();
    for (;;) {
      if (this.#run) {
        await this.#run.ended;
        if (this.#closing.signal.aborted) return;
        log.error('database.ended', {
          ...this.#why(this.#run.output),
          ran_s: Math.round((performance.now() - startedAt) / 1_000),
        });
        this.#run = undefined;
        if (performance.now() - startedAt > STEADY_MS) pauseMs = PAUSE_MIN_MS;
      }
      await delay(pauseMs, undefined, { signal: this.#closing.signal }).catch(() => {});
      if (this.#closing.signal.aborted) return;
      pauseMs = Math.min(PAUSE_MAX_MS, pauseMs * 2);
      startedAt = performance.now();
      try {
        const lock = await lockFile(databaseLockPath(dataDir), LEFTOVERS_TIMEOUT_MS);
        if (lock === undefined)
          throw new EmbeddedDatabaseError('processes of the database before are left');
        if (this.#closing.signal.aborted) return lock.release();
        await this.#startOnce(lock);
        log.info('database.restarted');
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        log.error('database.not_restarted', { error });
      }
    }
  }

  async #startOnce(lock: FileLock): Promise<void> {
    const { clusterDir, socketDir } = this.#parts;
    // The lock proves that nothing runs. The pids in these files cannot: they may belong to
    // other processes by now, or to one whose end its parent has not noticed yet.
    await rm(join(clusterDir, 'postmaster.pid'), { force: true });
    await rm(join(socketDir, `${SOCKET_NAME}.lock`), { force: true });
    // From here on `close` finds the run.
    if (this.#closing.signal.aborted) return lock.release();
    const run = this.#spawn(lock);
    this.#run = run;
    const timeout = new AbortController();
    const late = delay(READY_TIMEOUT_MS, 'late' as const, { signal: timeout.signal });
    const outcome = await Promise.race([
      run.ready.then(() => 'ready' as const),
      run.ended.then(() => 'ended' as const),
      late.catch(() => 'late' as const),
    ]);
    timeout.abort();
    if (outcome === 'ready') return;
    await this.#stopRun();
    this.#run = undefined;
    const { cause } = this.#why(run.output);
    throw new EmbeddedDatabaseError(`the database did not start: ${cause}`);
  }

  #spawn(lock: FileLock): Run {
    const { dataDir, clusterDir, binaries, runAs, settings } = this.#parts;
    const postgres = [
      ...[binaries.postgres, '-D', clusterDir],
      ...settings.flatMap(setting => ['-c', setting]),
    ];
    const [command, ...args] = guarded(servingLockPath(dataDir), runAs.prefix, postgres);
    const guard = spawn(command, args, {
      cwd: '/',
      env: binaries.env,
      // Ctrl-C in a terminal reaches a whole process group; the database ends after the server.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe', lock.fd],
    });
    lock.release();
    const { promise: ready, resolve: onReady } = Promise.withResolvers<void>();
    const { promise: ended, resolve: onEnded } = Promise.withResolvers<void>();
    guard.once('error', () => onEnded());
    guard.once('close', () => onEnded());
    const onNoRoom = () => this.#reportNoRoom();
    const output = new ServerLog(guard.stderr!, { onReady, onNoRoom });
    return { guard, output, ready, ended };
  }

  async #stopRun(): Promise<void> {
    const run = this.#run;
    if (run === undefined) return;
    const { clusterDir } = this.#parts;
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
      // The guard stops the database. Where the guard itself is gone, nothing else does.
      if (!run.guard.kill('SIGTERM')) stopOrphan(clusterDir, signal);
      if (await endsWithin(run.ended, STOP_TIMEOUT_MS / 3)) return;
    }
    run.guard.kill('SIGKILL');
    stopOrphan(clusterDir, 'SIGKILL');
    await endsWithin(run.ended, LEFTOVERS_TIMEOUT_MS);
  }

  /** The server prints it for each failed statement, and may keep running. */
  #reportNoRoom(): void {
    const { log, dataDir } = this.#parts;
    if (performance.now() - this.#noRoomReportedAt < NO_ROOM_PAUSE_MS) return;
    this.#noRoomReportedAt = performance.now();
    log.error('database.no_room', { cause: `no room on the volume of ${dataDir}` });
  }

  #why(output: ServerLog): { cause: string } {
    const { dataDir } = this.#parts;
    if (output.hasNoRoom || isFull(dataDir)) {
      return { cause: `no room on the volume of ${dataDir}` };
    }
    return { cause: output.tail };
  }
}
