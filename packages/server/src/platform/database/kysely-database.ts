/**
 * The `Database`: Kysely over sessions, transactions with a deadline and bounded retries, and the
 * guard.
 *
 * The guard follows asynchronous calls (AsyncLocalStorage): whatever `work` calls and awaits is
 * inside the transaction. What it starts and leaves running is free again once it has ended.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { within } from '../../kernel/index.ts';
import type { Database, Db, TransactionOptions, Trx } from './database.ts';
import { TRANSACTION_TIMEOUT_MS } from './database.ts';
import { SessionKysely } from './driver.ts';
import { isRetryable, unavailable } from './errors.ts';
import type { PostgresSource } from './postgres/source.ts';

/** How often a transaction is tried in all when it conflicts with others. */
export const TRANSACTION_ATTEMPTS = 5;
const RETRY_BASE_DELAY_MS = 10;
/** PostgreSQL takes payloads below 8000 bytes. */
export const NOTIFY_MAX_BYTES = 7_999;
const CHANNEL = /^[a-z_][a-z0-9_]{0,62}$/;

export interface Subscription {
  close(): Promise<void>;
}

export interface KyselyDatabaseParts {
  readonly source: PostgresSource;
  listen(channel: string, onPayload: (payload: string) => void): Promise<Subscription>;
  /** Ends what is not the source's: the listening connection. */
  afterClose?(): Promise<void>;
  readonly echo?: ((sql: string) => void) | undefined;
  /** Jitter; 0 ≤ value < 1. */
  readonly random?: (() => number) | undefined;
}

interface Scope {
  state: 'opening' | 'inside' | 'over';
  readonly timeoutMs: number;
}

export class KyselyDatabase implements Database {
  readonly db: Db;
  readonly #parts: KyselyDatabaseParts;
  readonly #kysely: SessionKysely;
  readonly #scopes = new AsyncLocalStorage<Scope>();
  #closing: Promise<void> | undefined;

  constructor(parts: KyselyDatabaseParts) {
    this.#parts = parts;
    const hooks = {
      guard: () => this.#guard(),
      transactionTimeoutMs: () => this.#scopes.getStore()?.timeoutMs ?? TRANSACTION_TIMEOUT_MS,
      ...(parts.echo ? { echo: parts.echo } : {}),
    };
    this.#kysely = new SessionKysely(parts.source, hooks);
    this.db = this.#kysely.db;
  }

  get waiting(): number {
    return this.#parts.source.waiting;
  }

  get connections() {
    return this.#parts.source.connections;
  }

  async transaction<T>(
    work: (trx: Trx) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    this.#guard();
    const timeoutMs = options.timeoutMs ?? TRANSACTION_TIMEOUT_MS;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(work, timeoutMs);
      } catch (error) {
        if (!isRetryable(error)) throw error;
        if (attempt === TRANSACTION_ATTEMPTS) {
          throw unavailable('The database is too busy; try again.', error);
        }
      }
      const random = this.#parts.random ?? Math.random;
      await delay(RETRY_BASE_DELAY_MS * 2 ** attempt * (0.5 + random()));
    }
  }

  #attempt<T>(work: (trx: Trx) => Promise<T>, timeoutMs: number): Promise<T> {
    const scope: Scope = { state: 'opening', timeoutMs };
    const run = async (trx: Trx) => {
      scope.state = 'inside';
      try {
        return await within(work(trx), timeoutMs, () => {
          throw unavailable('The database transaction took too long.');
        });
      } finally {
        scope.state = 'over';
      }
    };
    return this.#scopes.run(scope, () => this.#kysely.transaction(run));
  }

  async listen(channel: string, onPayload: (payload: string) => void): Promise<Subscription> {
    assertChannel(channel);
    this.#guard();
    return this.#parts.listen(channel, onPayload);
  }

  async notify(channel: string, payload: string): Promise<void> {
    assertChannel(channel);
    if (Buffer.byteLength(payload) > NOTIFY_MAX_BYTES) {
      throw new RangeError(`a notification holds at most ${NOTIFY_MAX_BYTES} bytes`);
    }
    await sql`select pg_notify(${channel}, ${payload})`.execute(this.db);
  }

  async ping(timeoutMs: number): Promise<void> {
    const answered = sql`select 1`.execute(this.db);
    await within(answered, timeoutMs, () => {
      throw unavailable('The database does not answer.');
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      // Kysely ends its driver only if it was used; the source ends in any case, once.
      await this.db.destroy();
      await this.#parts.source.close();
    } finally {
      await this.#parts.afterClose?.();
    }
  }

  #guard(): void {
    if (this.#scopes.getStore()?.state !== 'inside') return;
    throw new Error('inside a transaction only its own `trx` may be used, never the database');
  }
}

function assertChannel(channel: string): void {
  if (!CHANNEL.test(channel)) throw new TypeError('a channel is a lower-case SQL identifier');
}
