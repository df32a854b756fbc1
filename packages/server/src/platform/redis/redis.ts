/**
 * One connection to Redis that repairs itself.
 *
 * Lifecycle: connecting begins at once, in the background, and never gives up: after each failure
 * it waits longer, up to `RECONNECT_DELAY_MAX_MS`, with jitter so that replicas do not come back in
 * step. The client library notices a closed connection; a health ping every `HEALTH_INTERVAL_MS`
 * notices a silent one, and credentials that have gone stale, and replaces the client. (The
 * library's own `pingInterval` waits for its answer without a limit: 8 s after Redis was stopped,
 * the client still reported itself ready.) `close` ends everything and may be called at any time.
 *
 * Invariants: nothing is queued while Redis is away; commands wait at most their own time limit;
 * subscriptions outlast every reconnect and replacement. Of an outage the first failure is logged,
 * and its end.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { isIP } from 'node:net';
import { createClient } from 'redis';
import { HoldfastError, within } from '../../kernel/index.ts';
import type { Telemetry } from '../telemetry/index.ts';
import { type EntraOptions, entraCredentials } from './entra.ts';
import { createRedisMetrics, type RedisMetrics } from './redis-metrics.ts';

export interface RedisOptions {
  readonly host: string;
  readonly port: number;
  readonly ssl?: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Entra ID instead of a password; needs `ssl`. */
  readonly entra?: EntraOptions;
  /** PEM of a private certificate authority. */
  readonly ca?: string;
  /** Put before every key and channel, for a Redis that several deployments share. */
  readonly prefix?: string;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

export interface Redis {
  /** Whether a command sent now would reach Redis. */
  readonly ready: boolean;
  /** A key or channel as this deployment calls it. */
  name(key: string): string;
  /** Sends one command. Throws `unavailable` when Redis is away or silent for `timeoutMs`. */
  command(args: readonly string[], timeoutMs: number): Promise<unknown>;
  /**
   * Subscribes while Redis is connected, and again after each outage; answers the unsubscribe
   * function.
   */
  subscribe(channel: string, listener: (message: string) => void): () => void;
  ping(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}

const RECONNECT_DELAY_MAX_MS = 2_000;
const HEALTH_INTERVAL_MS = 5_000;
const RECONNECT_DELAY_MIN_MS = 50;
const CONNECT_TIMEOUT_MS = 5_000;
const HEALTH_TIMEOUT_MS = 3_000;
const QUEUE_MAX_COMMANDS = 10_000;

type Client = ReturnType<typeof connect>;

export function createRedis(options: RedisOptions): Redis {
  return new MendingRedis(options);
}

class MendingRedis implements Redis {
  readonly #options: RedisOptions;
  readonly #outside = AsyncLocalStorage.snapshot();
  readonly #metrics: RedisMetrics | undefined;
  readonly #channels = new Map<string, Set<(message: string) => void>>();
  #client: Client;
  /** Channels that the present client has subscribed to. */
  #subscribed = new Set<string>();
  #health: NodeJS.Timeout | undefined;
  #away = false;
  #stale = false;
  #closed = false;

  constructor(options: RedisOptions) {
    if (options.entra !== undefined && options.ssl !== true) {
      throw new Error('Redis with Entra ID needs TLS: its password is a bearer token.');
    }
    this.#options = options;
    const { telemetry } = options;
    this.#metrics = telemetry && createRedisMetrics(telemetry.meter, () => this.ready);
    this.#client = this.#open();
    this.#watch();
  }

  get ready(): boolean {
    return this.#client.isReady;
  }

  name(key: string): string {
    return `${this.#options.prefix ?? ''}${key}`;
  }

  async command(args: readonly string[], timeoutMs: number): Promise<unknown> {
    try {
      const answer: Promise<unknown> = this.#outside(() => this.#client.sendCommand([...args]));
      return await within(answer, timeoutMs, () => {
        throw away();
      });
    } catch (cause) {
      throw cause instanceof HoldfastError ? cause : away(cause);
    }
  }

  subscribe(channel: string, listener: (message: string) => void): () => void {
    const entry = (message: string) => listener(message);
    const entries = this.#channels.get(channel);
    if (entries === undefined) this.#channels.set(channel, new Set([entry]));
    else entries.add(entry);
    this.#subscribeAll();
    return () => this.#unsubscribe(channel, entry);
  }

  async ping(timeoutMs: number): Promise<void> {
    await this.command(['PING'], timeoutMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#metrics?.end();
    clearTimeout(this.#health);
    this.#channels.clear();
    this.#client.destroy();
  }

  #open(): Client {
    return this.#outside(() => {
      const client = connect(this.#options, () => {
        this.#stale = true;
      });
      this.#subscribed = new Set();
      // Events of a replaced client are ignored.
      client.on('error', error => client === this.#client && this.#onError(error));
      client.on('ready', () => {
        if (client !== this.#client) return;
        if (this.#away) this.#options.telemetry?.log.info('redis.recovered');
        this.#away = false;
        void this.#measure();
        this.#subscribeAll();
      });
      client.connect().catch(() => {}); // The error event has reported it.
      return client;
    });
  }

  #onError(error: unknown): void {
    const text = error instanceof Error ? error.message : '';
    if (this.#options.entra !== undefined && /^(WRONGPASS|NOAUTH)/.test(text)) this.#stale = true;
    if (this.#away || this.#closed) return;
    this.#away = true;
    this.#options.telemetry?.log.warn('redis.away', { error });
  }

  #watch(): void {
    this.#health = setTimeout(async () => {
      if (this.#stale || !(await this.#answers())) this.#replace();
      await this.#measure();
      this.#subscribeAll();
      if (!this.#closed) this.#watch();
    }, HEALTH_INTERVAL_MS);
    this.#health.unref();
  }

  /** Pings a client that is marked ready; one that is not reconnects by itself. */
  async #answers(): Promise<boolean> {
    const client = this.#client;
    if (!client.isReady) return true;
    try {
      await this.ping(HEALTH_TIMEOUT_MS);
      return true;
    } catch (error) {
      this.#onError(error);
      return !client.isReady;
    }
  }

  /** Asks how full it is; a server that refuses to say has no such metric. */
  async #measure(): Promise<void> {
    if (this.#metrics === undefined || !this.ready) return;
    const startedMs = performance.now();
    const info = await this.command(['INFO', 'memory'], HEALTH_TIMEOUT_MS).catch(() => null);
    if (info !== null) this.#metrics.answered(String(info), performance.now() - startedMs);
  }

  #replace(): void {
    if (this.#closed) return;
    this.#stale = false;
    const former = this.#client;
    this.#client = this.#open();
    former.destroy();
  }

  #subscribeAll(): void {
    const client = this.#client;
    const subscribed = this.#subscribed;
    if (!client.isReady) return;
    for (const channel of this.#channels.keys()) {
      if (subscribed.has(channel)) continue;
      subscribed.add(channel);
      const onMessage = (message: string) => {
        for (const listener of this.#channels.get(channel) ?? []) listener(message);
      };
      this.#outside(() => client.subscribe(channel, onMessage)).catch(error => {
        subscribed.delete(channel);
        if (client === this.#client) this.#onError(error);
      });
    }
  }

  #unsubscribe(channel: string, entry: (message: string) => void): void {
    const entries = this.#channels.get(channel);
    if (!entries?.delete(entry) || entries.size > 0) return;
    this.#channels.delete(channel);
    // Without listeners a message is ignored, so a failure to unsubscribe changes nothing.
    if (this.#subscribed.delete(channel)) this.#client.unsubscribe(channel).catch(() => {});
  }
}

function connect(options: RedisOptions, onStaleCredentials: () => void) {
  const { host, port, username, password, entra, ca, telemetry } = options;
  const common = { host, port, connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy };
  const name = isIP(host) === 0 ? { servername: host } : {};
  return createClient({
    socket: options.ssl === true ? { ...common, ...name, tls: true as const, ca } : common,
    ...(entra === undefined
      ? { username, password }
      : {
          credentialsProvider: entraCredentials(entra, error => {
            telemetry?.log.warn('redis.credentials_stale', { error });
            onStaleCredentials();
          }),
        }),
    disableOfflineQueue: true,
    commandsQueueMaxLength: QUEUE_MAX_COMMANDS,
    maintNotifications: 'disabled',
  });
}

function reconnectStrategy(retries: number): number {
  const delayMs = Math.min(RECONNECT_DELAY_MIN_MS * 2 ** retries, RECONNECT_DELAY_MAX_MS);
  return delayMs * (0.5 + Math.random() / 2);
}

function away(cause?: unknown): HoldfastError {
  return new HoldfastError('unavailable', 'Redis does not answer.', { cause });
}
