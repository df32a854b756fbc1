import type { Kysely, Transaction } from 'kysely';

/**
 * The database port. Features write their SQL with Kysely for PostgreSQL 15. Each store types its
 * own tables:
 *
 *     type Tables = { sessions: SessionsTable };
 *     const db = (executor: Executor) => executor.withTables<Tables>();
 *
 * `int8` and `count()` arrive as JavaScript numbers and `timestamptz` as `Date`.
 */
// biome-ignore lint/complexity/noBannedTypes: Kysely's own way to say "no tables known yet".
export type Db = Kysely<{}>;
// biome-ignore lint/complexity/noBannedTypes: as above.
export type Trx = Transaction<{}>;
/** Something SQL can run on: the database itself or a transaction. */
export type Executor = Db | Trx;

export interface TransactionOptions {
  /** The transaction is rolled back after this time. Default: `TRANSACTION_TIMEOUT_MS`. */
  readonly timeoutMs?: number;
}

export interface Database {
  readonly db: Db;
  /** How many wait for a connection now; at `ACQUIRE_QUEUE_LIMIT` the next one is refused. */
  readonly waiting: number;
  /** Connections of the pool; without that of LISTEN. */
  readonly connections: { readonly inUse: number; readonly idle: number; readonly max: number };
  /**
   * Runs `work` in one transaction and commits when it resolves. Serialisation failures and
   * deadlocks (40001, 40P01) are retried a bounded number of times, so `work` must have no effect
   * outside of the database. Using `db` instead of `trx` inside `work` throws.
   */
  transaction<T>(work: (trx: Trx) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Subscribes to NOTIFY on a session connection of its own; reconnects by itself. */
  listen(
    channel: string,
    onPayload: (payload: string) => void,
  ): Promise<{ close(): Promise<void> }>;
  /** NOTIFY outside of any transaction. */
  notify(channel: string, payload: string): Promise<void>;
  /** One round trip; throws when the database does not answer within `timeoutMs`. */
  ping(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

export const TRANSACTION_TIMEOUT_MS = 10_000;

/** The part of a logger that the database's adapters use; never given parameters, rows or URLs. */
export interface DatabaseLog {
  warn(event: string, fields?: Record<string, unknown>): void;
}
