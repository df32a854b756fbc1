/**
 * Sessions from node-postgres's pool, to run SQL on. A session is used by one holder, runs its
 * statements in the order in which they are given, and is given back exactly once; after that it
 * refuses to work. Its errors are of the kinds in `errors.ts`.
 *
 * It is pipelined: statements given in one turn of the event loop are one write to the socket,
 * BEGIN with the first of its transaction. A session whose connection is lost, or that is given up
 * in the middle of a statement, is destroyed instead of going back.
 */
import { AbortedTransactionError } from 'kysely';
import type pg from 'pg';
import {
  endsSession,
  isValueError,
  sqlErrorFields,
  toDatabaseError,
  unavailable,
} from '../errors.ts';
import type { StatementNames } from './statement-names.ts';

/** Waiting for a session: limits of the number of callers and of the time. */
export const ACQUIRE_QUEUE_LIMIT = 1_000;
export const ACQUIRE_TIMEOUT_MS = 10_000;
/** A COMMIT that is not answered within this time counts as lost. */
const COMMIT_TIMEOUT_MS = 5_000;
/** The client stops waiting this long after the server should have cancelled a statement. */
const ANSWER_GRACE_MS = 2_000;
const CLOSE_TIMEOUT_MS = 5_000;
const CHANGES_ROWS = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

export interface SessionSettings {
  readonly statementTimeoutMs: number;
  /** Undefined where statements cannot stay prepared, as behind a pooler. */
  readonly names: StatementNames | undefined;
}

interface SqlResult {
  readonly rows: Record<string, unknown>[];
  readonly affectedRows: number | undefined;
}

export class PostgresSource {
  readonly #pool: pg.Pool;
  readonly #settings: SessionSettings;
  readonly #held = new Set<PostgresSession>();
  #closing: Promise<void> | undefined;

  constructor(pool: pg.Pool, settings: SessionSettings) {
    this.#pool = pool;
    this.#settings = settings;
  }

  /** Refuses with `unavailable` when too many wait already, or when it takes too long. */
  async acquire(): Promise<PostgresSession> {
    if (this.#closing) throw unavailable('The database is closed.');
    if (this.#pool.waitingCount >= ACQUIRE_QUEUE_LIMIT) {
      throw unavailable('Too many requests wait for the database.');
    }
    const client = await this.#connect();
    const session = new PostgresSession(client, this.#settings, () => {
      this.#held.delete(session);
    });
    this.#held.add(session);
    return session;
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#pool.waitingCount;
  }

  get connections(): { inUse: number; idle: number; max: number } {
    const { totalCount, idleCount: idle, options } = this.#pool;
    return { inUse: totalCount - idle, idle, max: options.max };
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw toDatabaseError(error);
    }
  }

  /** Waits a while for sessions in use, then cuts them off. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const timer = setTimeout(() => {
      for (const session of this.#held) session.giveUp().release();
    }, CLOSE_TIMEOUT_MS);
    await this.#pool.end();
    clearTimeout(timer);
  }
}

export class PostgresSession {
  readonly #client: pg.PoolClient;
  readonly #names: StatementNames | undefined;
  readonly #onReleased: () => void;
  readonly #onError = () => {
    this.#broken = true;
  };
  #statementTimeoutMs: number;
  #running = 0;
  /** A statement was refused: those behind it in its transaction will be too, at once. */
  #refused = false;
  #begun: Promise<unknown> = Promise.resolve();
  #inTransaction = false;
  #gathering = false;
  #broken = false;
  #released = false;

  constructor(client: pg.PoolClient, settings: SessionSettings, onReleased: () => void) {
    this.#client = client;
    this.#names = settings.names;
    this.#statementTimeoutMs = settings.statementTimeoutMs;
    this.#onReleased = onReleased;
    // Without this listener a connection lost between two statements ends the process.
    client.on('error', this.#onError);
  }

  /** May be given while another statement is under way: it is sent behind that one at once. */
  async query(sql: string, parameters: readonly unknown[]): Promise<SqlResult> {
    const timeoutMs = this.#statementTimeoutMs + ANSWER_GRACE_MS;
    const [result] = await Promise.all([this.#run(sql, parameters, timeoutMs), this.#begun]);
    const affectedRows = CHANGES_ROWS.has(result.command) ? (result.rowCount ?? 0) : undefined;
    return { rows: result.rows, affectedRows };
  }

  /** Several statements at once, without parameters; their rows are not wanted. */
  async script(sql: string): Promise<void> {
    const timeoutMs = this.#statementTimeoutMs + ANSWER_GRACE_MS;
    try {
      await Promise.all([this.#run(sql, [], timeoutMs), this.#begun]);
    } catch (error) {
      // It may have failed in a transaction that it had begun itself.
      if (!this.#inTransaction) this.#broken = true;
      throw error;
    }
  }

  /**
   * Opens a transaction that the database itself ends some time after `timeoutMs`. Resolves before
   * it is open; the first statement reports if it failed.
   */
  async begin(timeoutMs: number): Promise<void> {
    this.#inTransaction = true;
    this.#statementTimeoutMs = Math.ceil(timeoutMs);
    const limits = ['statement_timeout', 'idle_in_transaction_session_timeout'];
    const set = limits.map(name => `set local ${name} = ${this.#statementTimeoutMs}`);
    this.#begun = this.#run(`begin; ${set.join('; ')}`, [], timeoutMs + ANSWER_GRACE_MS);
    this.#begun.catch(() => {
      // Nothing may run outside of the transaction that it was meant for.
      this.#broken = true;
    });
  }

  /** Throws Kysely's `AbortedTransactionError` when the database rolled back instead. */
  async commit(): Promise<void> {
    if (this.#broken) throw unavailable('The database connection was lost.');
    let command: string;
    try {
      await this.#begun;
      ({ command } = await this.#run('commit', [], COMMIT_TIMEOUT_MS));
    } catch (error) {
      if (!this.#broken) throw error;
      const detail = 'The connection was lost during COMMIT: it may have happened or not.';
      throw unavailable(detail, error);
    }
    if (command === 'ROLLBACK') throw new AbortedTransactionError();
  }

  /**
   * Does not wait for a statement that is still running but gives up the connection, and the server
   * rolls back.
   */
  async rollback(): Promise<void> {
    if (this.#running > 0 && !this.#refused) this.giveUp();
    if (this.#broken || this.#released) return;
    try {
      await this.#run('rollback', [], ANSWER_GRACE_MS);
    } catch {
      // The server ends the transaction of a connection that is destroyed.
      this.#broken = true;
    }
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#client.off('error', this.#onError);
    this.#onReleased();
    // A script may have begun a transaction that nothing ends.
    if (this.#internals.getTransactionStatus() !== 'I') this.#broken = true;
    this.#client.release(this.#broken);
    // The pool sends a closing message and waits for an answer, which may never come.
    if (this.#broken) this.#socket.destroy();
  }

  /** Cuts the connection, whatever it does. */
  giveUp(): this {
    this.#broken = true;
    this.#socket.destroy();
    return this;
  }

  get #socket(): SocketLike {
    return this.#internals.connection.stream;
  }

  /** What the types of node-postgres leave out. */
  get #internals(): ClientInternals {
    return this.#client as unknown as ClientInternals;
  }

  /** Holds back what is written until this turn of the event loop is over. */
  #gather(): void {
    if (this.#gathering) return;
    this.#gathering = true;
    const socket = this.#socket;
    socket.cork();
    process.nextTick(() => {
      this.#gathering = false;
      socket.uncork();
    });
  }

  async #run(text: string, values: readonly unknown[], timeoutMs: number): Promise<PgResult> {
    if (this.#released) throw unavailable('The transaction is over.');
    if (this.#broken) throw unavailable('The database connection was lost.');
    this.#running += 1;
    this.#gather();
    try {
      // A script has no parameters, and cannot be prepared.
      const name = values.length === 0 ? undefined : this.#names?.nameOf(text);
      const config = { text, values: [...values], query_timeout: timeoutMs, ...(name && { name }) };
      // A script answers with one result per statement; the last one counts.
      const result: PgResult | PgResult[] = await this.#client.query(config);
      this.#refused = false;
      return Array.isArray(result) ? result.at(-1)! : result;
    } catch (error) {
      const fields = sqlErrorFields(error);
      this.#refused = true;
      if (fields ? endsSession(fields) : !isValueError(error)) this.#broken = true;
      throw toDatabaseError(error);
    } finally {
      this.#running -= 1;
    }
  }
}

type PgResult = pg.QueryResult<Record<string, unknown>>;
interface ClientInternals {
  readonly connection: { readonly stream: SocketLike };
  /** `I` outside of a transaction, as the server's last answer said. */
  getTransactionStatus(): string | null;
}
interface SocketLike {
  destroy(): void;
  cork(): void;
  uncork(): void;
}
