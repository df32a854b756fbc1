/**
 * What the Kysely driver runs on: sessions to run SQL on. A session is used by one
 * holder, runs its statements in the order in which they are given, and is given back exactly once;
 * after that it refuses to work. Errors are already of the kinds in `errors.ts`.
 */
export interface SqlResult {
  readonly rows: Record<string, unknown>[];
  readonly affectedRows: number | undefined;
}

export interface SqlSession {
  /** May be given while another statement is under way: it is sent behind that one at once. */
  query(sql: string, parameters: readonly unknown[]): Promise<SqlResult>;
  /** Several statements at once, without parameters; their rows are not wanted. */
  script(sql: string): Promise<void>;
  /**
   * Opens a transaction that the database itself ends some time after `timeoutMs`. Resolves before
   * it is open; the first statement tells if it failed.
   */
  begin(timeoutMs: number): Promise<void>;
  /** Throws Kysely's `AbortedTransactionError` when the database rolled back instead. */
  commit(): Promise<void>;
  /**
   * Does not wait for a statement that is still running but gives up the connection, and the server
   * rolls back.
   */
  rollback(): Promise<void>;
  release(): void;
}

export interface SqlSource {
  /** Refuses with `unavailable` when too many wait already, or when it takes too long. */
  acquire(): Promise<SqlSession>;
  /** How many wait now. */
  readonly waiting: number;
  close(): Promise<void>;
}

/** Waiting for a session: at most so many callers, each at most so long. */
export const ACQUIRE_QUEUE_LIMIT = 1_000;
export const ACQUIRE_TIMEOUT_MS = 10_000;
/** A COMMIT that is not answered within this time counts as lost. */
export const COMMIT_TIMEOUT_MS = 5_000;
