/**
 * LISTEN on a connection of its own, kept while there are subscriptions.
 *
 *   idle → connecting → listening → (lost) → waiting → connecting …      closed
 *
 * A lost connection is made again after a growing, jittered pause, and all channels are listened
 * to again. Notifications sent meanwhile are lost: they are doorbells, and readers poll anyway. A
 * connection that silently died is found by a regular question.
 */
import type pg from 'pg';
import { endsWithin } from '../../../kernel/index.ts';
import type { DatabaseLog } from '../database.ts';
import { toDatabaseError, unavailable } from '../errors.ts';
import type { Subscription } from '../kysely-database.ts';

const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 10_000;
const HEARTBEAT_INTERVAL_MS = 15_000;
/** A server that does not answer within this time counts as lost. */
const ANSWER_TIMEOUT_MS = 5_000;

export interface ListenerParts {
  client(): pg.Client;
  readonly log: DatabaseLog | undefined;
  random(): number;
}

type OnPayload = (payload: string) => void;

export class Listener {
  readonly #parts: ListenerParts;
  readonly #channels = new Map<string, Set<OnPayload>>();
  #connection: Promise<pg.Client> | undefined;
  /** The client of `#connection` once it listens. */
  #current: pg.Client | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;

  constructor(parts: ListenerParts) {
    this.#parts = parts;
  }

  /** Resolves when the server listens; throws `unavailable` when it cannot be reached. */
  async listen(channel: string, onPayload: OnPayload): Promise<Subscription> {
    if (this.#closed) throw unavailable('The database is closed.');
    const callbacks = this.#channels.get(channel) ?? new Set();
    // An own function, so that the same callback may subscribe twice.
    const callback = (payload: string) => onPayload(payload);
    this.#channels.set(channel, callbacks.add(callback));
    const close = async () => this.#unlisten(channel, callback);
    try {
      const client = await this.#connected();
      await say(client, `listen "${channel}"`);
      return { close };
    } catch (error) {
      await close();
      throw toDatabaseError(error);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#heartbeat);
    const connection = this.#connection;
    this.#connection = undefined;
    const client = await connection?.catch(() => undefined);
    if (client === undefined) return;
    const ended = client.end().catch(() => {});
    // A server that is silent does not answer a closing message either.
    if (!(await endsWithin(ended, ANSWER_TIMEOUT_MS))) streamOf(client).destroy();
  }

  async #unlisten(channel: string, callback: OnPayload): Promise<void> {
    const callbacks = this.#channels.get(channel);
    if (!callbacks?.delete(callback) || callbacks.size > 0) return;
    this.#channels.delete(channel);
    const client = await this.#connection?.catch(() => undefined);
    // A caller may have subscribed again while we waited.
    if (this.#channels.has(channel)) return;
    if (client) await say(client, `unlisten "${channel}"`).catch(() => {});
  }

  #connected(): Promise<pg.Client> {
    clearTimeout(this.#retry);
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  async #connect(): Promise<pg.Client> {
    const client = this.#parts.client();
    const lost = (error?: Error) => this.#lost(client, error);
    client.on('error', lost).on('end', () => lost());
    client.on('notification', ({ channel, payload }) => {
      for (const callback of this.#channels.get(channel) ?? []) callback(payload ?? '');
    });
    try {
      await client.connect();
      for (const channel of this.#channels.keys()) await say(client, `listen "${channel}"`);
    } catch (error) {
      this.#lost(client, error);
      throw error;
    }
    this.#current = client;
    this.#failures = 0;
    this.#heartbeat = setInterval(() => this.#beat(client), HEARTBEAT_INTERVAL_MS).unref();
    return client;
  }

  #lost(client: pg.Client, error?: unknown): void {
    client.removeAllListeners();
    client.on('error', () => {});
    client.end().catch(() => {});
    streamOf(client).destroy();
    if (this.#closed) return;
    clearInterval(this.#heartbeat);
    this.#current = undefined;
    this.#connection = undefined;
    this.#failures += 1;
    this.#parts.log?.warn('database.listener_lost', { code: codeOf(error) });
    if (this.#channels.size === 0) return;
    const ceiling = Math.min(
      RECONNECT_MAX_MS,
      RECONNECT_MIN_MS * 2 ** Math.min(this.#failures, 10),
    );
    const pauseMs = ceiling * (0.5 + this.#parts.random() / 2);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#connected().catch(() => {}), pauseMs);
  }

  async #beat(client: pg.Client): Promise<void> {
    try {
      await say(client, 'select 1');
    } catch (error) {
      if (this.#current === client) this.#lost(client, error);
    }
  }
}

async function say(client: pg.Client, text: string): Promise<void> {
  const statement = { text, query_timeout: ANSWER_TIMEOUT_MS };
  await client.query(statement);
}

function streamOf(client: pg.Client): { destroy(): void } {
  return (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
