/**
 * The server's side of the PGlite worker. Offers the part of PGlite's interface that others need
 * (`query`, `exec`, `transaction`, `listen`, `close`), so that a library made for PGlite works with
 * it, and numbered requests for our own driver.
 *
 *   open → (worker died) → failed → reopening → open …      closed
 *
 * At most `PENDING_LIMIT` requests are under way outside of transactions; more are refused with
 * `unavailable`, because a message queue has no bound of its own. When the worker dies, everything
 * under way fails with `unavailable`; the next request after a pause starts another worker on the
 * same files. A database in memory is gone with its worker and stays failed.
 */
import { AbortedTransactionError } from 'kysely';
import { refusalOf, unavailable } from '../errors.ts';
import { ACQUIRE_QUEUE_LIMIT } from '../session.ts';
import type { Answer, Notification, Request, StatementResult, WorkerSettings } from './messages.ts';
import { WorkerLink } from './worker-link.ts';

export const PENDING_LIMIT = ACQUIRE_QUEUE_LIMIT;
/** After a failure the worker is started again at most this often. */
const REOPEN_PAUSE_MS = 1_000;
const TRANSACTIONS_PER_WORKER = 2 ** 40;

type OnPayload = (payload: string) => void;

export interface LiteResult<T> {
  rows: T[];
  affectedRows?: number;
}

export interface LiteTransaction {
  query<T>(sql: string, parameters?: readonly unknown[]): Promise<LiteResult<T>>;
  exec(sql: string): Promise<LiteResult<Record<string, unknown>>[]>;
  rollback(): Promise<void>;
}

export class PgliteClient {
  readonly waitReady = Promise.resolve();
  readonly #settings: WorkerSettings;
  readonly #listeners = new Map<string, Set<OnPayload>>();
  #link: WorkerLink;
  #reopening: Promise<void> | undefined;
  #lastReopenedAt = Number.NEGATIVE_INFINITY;
  #generation = 0;
  #pending = 0;
  #closing: Promise<void> | undefined;

  private constructor(settings: WorkerSettings, link: WorkerLink) {
    this.#settings = settings;
    this.#link = link;
    link.onNotification = notification => this.#deliver(notification);
  }

  /** Starts the worker and waits until the database is open; throws what kept it from that. */
  static async open(settings: WorkerSettings): Promise<PgliteClient> {
    return new PgliteClient(settings, await WorkerLink.open(settings));
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  get ready(): boolean {
    return !this.closed && !this.#link.failed;
  }

  /** Requests under way that are not part of a transaction: the bounded queue's length. */
  get pending(): number {
    return this.#pending;
  }

  /** The worker that serves now; for tests that kill it. */
  get link(): WorkerLink {
    return this.#link;
  }

  async query<T>(sql: string, parameters: readonly unknown[] = []): Promise<LiteResult<T>> {
    return (await this.send({ kind: 'query', sql, parameters })) as LiteResult<T>;
  }

  async exec(sql: string): Promise<LiteResult<Record<string, unknown>>[]> {
    return (await this.send({ kind: 'exec', sql })) as StatementResult[];
  }

  /** Exclusive: everybody else waits until `work` has ended. */
  async transaction<T>(
    work: (tx: LiteTransaction) => Promise<T>,
    timeoutMs: number,
  ): Promise<T | undefined> {
    const tx = await this.begin(timeoutMs);
    let rolledBack = false;
    const rollback = async () => {
      rolledBack = true;
      await this.send({ kind: 'rollback', tx });
    };
    try {
      const result = await work({
        query: async <R>(sql: string, parameters: readonly unknown[] = []) =>
          (await this.send({ kind: 'query', tx, sql, parameters })) as LiteResult<R>,
        exec: async sql => (await this.send({ kind: 'exec', tx, sql })) as StatementResult[],
        rollback,
      });
      if (rolledBack) return undefined;
      await this.send({ kind: 'commit', tx });
      return result;
    } catch (error) {
      if (!rolledBack) await rollback();
      throw error;
    }
  }

  /** Waits for the turn and begins; answers the number that its statements carry. */
  async begin(timeoutMs: number): Promise<number> {
    return (await this.send({ kind: 'begin', timeoutMs })) as number;
  }

  /** Resolves with what ends the subscription. */
  async listen(channel: string, onPayload: OnPayload): Promise<() => Promise<void>> {
    const listeners = this.#listeners.get(channel) ?? new Set();
    // An own function, so that the same callback may listen twice.
    const listener = (payload: string) => onPayload(payload);
    this.#listeners.set(channel, listeners.add(listener));
    const end = async () => {
      if (!listeners.delete(listener) || listeners.size > 0 || this.closed) return;
      this.#listeners.delete(channel);
      await this.send({ kind: 'unlisten', channel });
    };
    try {
      await this.send({ kind: 'listen', channel });
      return end;
    } catch (error) {
      await end().catch(() => {});
      throw error;
    }
  }

  /** The whole database as a tar file, from which a new one can start. */
  async dump(): Promise<Uint8Array> {
    return new Uint8Array((await this.send({ kind: 'dump' })) as ArrayBuffer);
  }

  /** Ends what is under way, then the worker; the files are whole afterwards. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Sends one request; what its answer is, the caller knows. */
  async send(request: Request): Promise<unknown> {
    const insideTransaction = 'tx' in request && request.tx !== undefined;
    if (insideTransaction) return interpret(await this.#link.ask(request));
    if (this.#closing) throw unavailable('The database is closed.');
    if (this.#pending >= PENDING_LIMIT) {
      throw unavailable('Too many requests wait for the database.');
    }
    this.#pending += 1;
    try {
      if (this.#link.failed) await this.#reopen();
      return interpret(await this.#link.ask(request));
    } finally {
      this.#pending -= 1;
    }
  }

  async #close(): Promise<void> {
    await this.#reopening?.catch(() => {});
    await this.#link.close();
  }

  #reopen(): Promise<void> {
    const { folder } = this.#settings;
    const pausing = performance.now() - this.#lastReopenedAt < REOPEN_PAUSE_MS;
    if (!this.#reopening && (folder === undefined || pausing)) throw this.#link.failed;
    this.#reopening ??= this.#openAgain().finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #openAgain(): Promise<void> {
    this.#lastReopenedAt = performance.now();
    try {
      this.#generation += 1;
      const firstTransaction = this.#generation * TRANSACTIONS_PER_WORKER;
      this.#link = await WorkerLink.open({ folder: this.#settings.folder, firstTransaction });
    } catch (error) {
      throw unavailable('The database cannot be opened again.', error);
    }
    this.#link.onNotification = notification => this.#deliver(notification);
    for (const channel of this.#listeners.keys()) await this.#link.ask({ kind: 'listen', channel });
  }

  #deliver({ channel, payload }: Notification): void {
    for (const listener of this.#listeners.get(channel) ?? []) listener(payload);
  }
}

/** The value of an answer; throws what went wrong, with the stack of whoever asked. */
function interpret(answer: Answer): unknown {
  if (answer.ok) return answer.value;
  if ('sql' in answer) throw refusalOf(answer.sql);
  switch (answer.refusal) {
    case 'aborted':
      throw new AbortedTransactionError();
    case 'timed-out':
      throw unavailable('The database transaction took too long.');
    case 'waited-too-long':
      throw unavailable('The database is too busy.');
    case 'failed':
      throw new Error(answer.message);
  }
}
