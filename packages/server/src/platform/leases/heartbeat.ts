/**
 * One row per process shows that it is alive; all its leases depend on it.
 *
 * Lifecycle: `start` beats once (and fails when the database does not take it), then beats every
 * `HEARTBEAT_INTERVAL_MS`; `stop` ends that and removes the row. A failed beat is tried again at
 * the next interval, for ever, and logged once per outage. A row that was swept meanwhile comes
 * back with the next beat. Every beat also may sweep rows that have been dead for
 * `REPLICA_KEPT_MS`; until then the console can still show them.
 *
 * With a `url`, a `LoopGuard` renews the row while the main loop is busy.
 *
 * Invariant: `sinceMs` counts from before the last successful beat was sent, on the monotonic
 * clock, so that a holder gives up its leases before the others take them.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { sql } from 'kysely';
import type { Clock } from '../../kernel/index.ts';
import type { Database } from '../database/index.ts';
import type { Telemetry } from '../telemetry/index.ts';
import { HEARTBEAT_INTERVAL_MS, REPLICA_KEPT_MS } from './leases.ts';
import { LOOP_STUCK_MS, LoopGuard } from './loop-guard.ts';
import { before, leaseTables } from './tables.ts';

export interface HeartbeatOptions {
  readonly database: Database;
  readonly replica: string;
  readonly revision: string;
  readonly roles: readonly string[];
  readonly address?: string;
  readonly clock: Clock;
  /** Of the same database. */
  readonly url?: string | undefined;
  readonly loopStuckMs?: number | undefined;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #outside = AsyncLocalStorage.snapshot();
  readonly #guard: LoopGuard | undefined;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;
  #lastBeatMs: number | undefined;
  #failing = false;
  #stopped = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    const { url, replica, loopStuckMs = LOOP_STUCK_MS, telemetry } = options;
    if (url !== undefined) {
      this.#guard = new LoopGuard({ url, replica, stuckMs: loopStuckMs, log: telemetry?.log });
    }
    options.telemetry?.meter
      .createObservableGauge('holdfast_heartbeat_age_seconds')
      .addCallback(result => {
        if (this.started) result.observe(this.sinceMs() / 1_000);
      });
  }

  get started(): boolean {
    return this.#lastBeatMs !== undefined;
  }

  sinceMs(): number {
    const own = this.#options.clock.monotonicMs() - (this.#lastBeatMs ?? Number.NEGATIVE_INFINITY);
    return Math.min(own, this.#guard?.sinceMs() ?? own);
  }

  async start(): Promise<void> {
    if (this.#timer !== undefined) return;
    await this.#beat();
    this.#outside(() => {
      this.#schedule();
      this.#guard?.start();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#guard?.stop();
    await this.#beating;
    if (!this.started) return;
    await leaseTables(this.#options.database.db)
      .deleteFrom('replicas')
      .where('id', '=', this.#options.replica)
      .execute();
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(async () => {
      this.#beating = this.#tryBeat();
      await this.#beating;
      this.#schedule();
    }, HEARTBEAT_INTERVAL_MS);
    this.#timer.unref();
  }

  async #tryBeat(): Promise<void> {
    const log = this.#options.telemetry?.log;
    try {
      await this.#beat();
      if (this.#failing) log?.info('lease.heartbeat_recovered');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) log?.error('lease.heartbeat_failed', { error });
      this.#failing = true;
    }
  }

  async #beat(): Promise<void> {
    const { database, replica, revision, roles, address, clock } = this.#options;
    const sentAtMs = clock.monotonicMs();
    const now = sql<Date>`clock_timestamp()`;
    await leaseTables(database.db)
      .with('swept', query =>
        query
          .deleteFrom('replicas')
          .where('beat_at', '<', before(REPLICA_KEPT_MS))
          .where('id', '!=', replica),
      )
      .insertInto('replicas')
      .values({
        id: replica,
        revision,
        roles: roles.join(','),
        address: address ?? null,
        started_at: now,
        beat_at: now,
      })
      .onConflict(conflict => conflict.column('id').doUpdateSet({ beat_at: now }))
      .execute();
    this.#lastBeatMs = sentAtMs;
  }
}
