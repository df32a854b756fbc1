/**
 * PostgreSQL 15 or newer through node-postgres. `poolSize` connections are
 * kept; up to `maxOverflow` more are opened under load and closed when idle. TLS is chosen by the
 * URL (`sslmode`, `sslrootcert`). LISTEN has a connection of its own (`listener.ts`), which must be
 * a real session: give `listenUrl` where `url` leads through a pooler such as PgBouncer.
 */
import pg from 'pg';
import type { Database, DatabaseLog } from '../database.ts';
import { KyselyDatabase } from '../kysely-database.ts';
import { typeParsers } from '../types.ts';
import { Listener } from './listener.ts';
import { ACQUIRE_TIMEOUT_MS, PostgresSource } from './source.ts';
import { StatementNames } from './statement-names.ts';

const DEFAULT_POOL_SIZE = 10;
const DEFAULT_MAX_OVERFLOW = 20;
const DEFAULT_STATEMENT_TIMEOUT_MS = 30_000;
const OVERFLOW_IDLE_MS = 10_000;
const KEEP_ALIVE_DELAY_MS = 10_000;

export interface PostgresOptions {
  /** `postgresql://user:password@host:port/database?sslmode=…`; a secret, never logged. */
  readonly url: string;
  /** Where LISTEN connects to, when that is not `url`. */
  readonly listenUrl?: string | undefined;
  readonly poolSize?: number | undefined;
  readonly maxOverflow?: number | undefined;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName?: string | undefined;
  /** A statement outside of a transaction is cancelled after this time. */
  readonly statementTimeoutMs?: number | undefined;
  /** Connecting, and waiting for a free connection, takes at most this time. */
  readonly connectTimeoutMs?: number | undefined;
  /** Receives every statement's SQL text, never its parameters. */
  readonly echo?: ((sql: string) => void) | undefined;
  readonly log?: DatabaseLog | undefined;
  /** Jitter of retries and reconnects; 0 ≤ value < 1. */
  readonly random?: (() => number) | undefined;
}

/**
 * Opens the pool and asks the server once; throws `unavailable` when it does not answer. The caller
 * must `close()` it.
 */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { url, listenUrl = url } = options;
  const source = new PostgresSource(createPool(options), {
    statementTimeoutMs: statementTimeoutMs(options),
    // A pooler may give each transaction another session.
    names: listenUrl === url ? new StatementNames() : undefined,
  });
  const listener = new Listener({
    client: () => new pg.Client(clientConfig(options, listenUrl)),
    log: options.log,
    random: options.random ?? Math.random,
  });
  const database = new KyselyDatabase({
    source,
    listen: (channel, onPayload) => listener.listen(channel, onPayload),
    afterClose: () => listener.close(),
    echo: options.echo,
    random: options.random,
  });
  try {
    await database.ping(connectTimeoutMs(options));
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

function createPool(options: PostgresOptions): pg.Pool {
  const poolSize = options.poolSize ?? DEFAULT_POOL_SIZE;
  const config: pg.PoolConfig & { min: number; pipeline: boolean } = {
    ...clientConfig(options, options.url),
    statement_timeout: statementTimeoutMs(options),
    min: poolSize,
    pipeline: true,
    max: poolSize + (options.maxOverflow ?? DEFAULT_MAX_OVERFLOW),
    idleTimeoutMillis: OVERFLOW_IDLE_MS,
  };
  const pool = new pg.Pool(config);
  // An idle connection that breaks has left the pool. Without this listener it ends the process.
  pool.on('error', error => {
    // Its connections may report the database's own end before they have closed.
    if (pool.ending) return;
    const code = 'code' in error ? error.code : undefined;
    options.log?.warn('database.connection_lost', { code });
  });
  // The pool stops listening when it hands a connection out, and its new holder listens a moment
  // later. An error that came in the same packet as the server's greeting falls in between.
  pool.on('connect', client => client.on('error', () => {}));
  return pool;
}

function clientConfig(options: PostgresOptions, url: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: options.applicationName ?? 'holdfast',
    connectionTimeoutMillis: connectTimeoutMs(options),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: { getTypeParser },
  };
}

function connectTimeoutMs(options: PostgresOptions): number {
  return options.connectTimeoutMs ?? ACQUIRE_TIMEOUT_MS;
}

function statementTimeoutMs(options: PostgresOptions): number {
  return options.statementTimeoutMs ?? DEFAULT_STATEMENT_TIMEOUT_MS;
}

const getTypeParser: typeof pg.types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  (format === 'binary' ? undefined : typeParsers[oid]) ?? pg.types.getTypeParser(oid, format);
