/**
 * The Kysely driver over the sessions of `PostgresSource`. It adds the guard against using the
 * database inside one of its own transactions (such a write would escape a rollback, and with all
 * connections in transactions each would wait for another), SQL echo without parameters, and
 * statements that are sent without waiting for the answers to those before.
 */
import {
  AbortedTransactionError,
  type CompiledQuery,
  type ConnectionProvider,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  Transaction,
} from 'kysely';
import type { Db, Trx } from './database.ts';
import type { PostgresSession, PostgresSource } from './postgres/source.ts';

/** The longest SQL text that is echoed; more is cut off. */
const ECHO_MAX_CHARS = 4_096;

export interface DriverHooks {
  /** Throws where a new session must not be asked for. */
  guard(): void;
  /** How long a transaction that is about to begin may last. */
  transactionTimeoutMs(): number;
  echo?: (sql: string) => void;
}

/** Marks a compiled query as a script; see `runScript`. */
const SCRIPT = Symbol('script');

class SessionConnection implements DatabaseConnection {
  readonly session: PostgresSession;
  readonly #echo: ((sql: string) => void) | undefined;

  constructor(session: PostgresSession, echo?: (sql: string) => void) {
    this.session = session;
    this.#echo = echo;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    try {
      return await this.#execute<R>(query);
    } catch (error) {
      // The caller's stack, because the stack where the answer came in names no caller.
      if (error instanceof Error) Error.captureStackTrace(error);
      throw error;
    }
  }

  async #execute<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    this.#echo?.(query.sql.slice(0, ECHO_MAX_CHARS));
    if (SCRIPT in query) {
      await this.session.script(query.sql);
      return { rows: [] };
    }
    const { rows, affectedRows } = await this.session.query(query.sql, query.parameters);
    // The caller of Kysely names the row type; the driver cannot know it.
    const typed = rows as R[];
    if (affectedRows === undefined) return { rows: typed };
    return { rows: typed, numAffectedRows: BigInt(affectedRows) };
  }

  // biome-ignore lint/correctness/useYield: nothing streams; refusing is the whole answer.
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('streaming queries is not supported: read in pages');
  }
}

class SessionDriver implements Driver {
  readonly #source: PostgresSource;
  readonly #hooks: DriverHooks;

  constructor(source: PostgresSource, hooks: DriverHooks) {
    this.#source = source;
    this.#hooks = hooks;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<SessionConnection> {
    this.#hooks.guard();
    return new SessionConnection(await this.#source.acquire(), this.#hooks.echo);
  }

  transactionTimeoutMs(): number {
    return this.#hooks.transactionTimeoutMs();
  }

  async beginTransaction(): Promise<void> {
    throw new Error('transactions are begun by the database port');
  }

  async commitTransaction(): Promise<void> {
    await this.beginTransaction();
  }

  async rollbackTransaction(): Promise<void> {
    await this.beginTransaction();
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    sessionOf(connection).release();
  }

  async destroy(): Promise<void> {
    await this.#source.close();
  }
}

function sessionOf(connection: DatabaseConnection): PostgresSession {
  if (connection instanceof SessionConnection) return connection.session;
  throw new TypeError('a connection of another driver');
}

/** Kysely over a source, and its transactions. */
export class SessionKysely {
  readonly db: Db;
  readonly #dialect: Dialect;
  readonly #driver: SessionDriver;

  constructor(source: PostgresSource, hooks: DriverHooks) {
    this.#driver = new SessionDriver(source, hooks);
    this.#dialect = {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => this.#driver,
      createIntrospector: db => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    };
    this.db = new Kysely({ dialect: this.#dialect });
  }

  /** As Kysely's own `transaction()`, which however holds each statement back until its turn. */
  async transaction<T>(work: (trx: Trx) => Promise<T>): Promise<T> {
    const connection = await this.#driver.acquireConnection();
    const { session } = connection;
    try {
      await session.begin(this.#driver.transactionTimeoutMs());
      const result = await work(this.#on(connection));
      await session.commit();
      return result;
    } catch (error) {
      if (!(error instanceof AbortedTransactionError)) await session.rollback();
      throw error;
    } finally {
      session.release();
    }
  }

  #on(connection: SessionConnection): Trx {
    const provider: ConnectionProvider = { provideConnection: consume => consume(connection) };
    const executor = this.db.getExecutor().withConnectionProvider(provider);
    const [dialect, driver] = [this.#dialect, this.#driver];
    return new Transaction({ config: { dialect }, dialect, driver, executor });
  }
}

/** Runs several statements at once, without parameters. */
export async function runScript<T>(executor: Kysely<T>, script: string): Promise<void> {
  const empty = { kind: 'RawNode', sqlFragments: [script], parameters: [] } as const;
  const query = { sql: script, parameters: [], query: empty, queryId: { queryId: 'script' } };
  await executor.executeQuery({ ...query, [SCRIPT]: true } as CompiledQuery);
}
