import { type Component, HoldfastError } from '../kernel/index.ts';
import type { BlobStore } from '../platform/blobs/index.ts';
import { eachOf, Sweep } from '../work/index.ts';
import { hangUpPersistently } from './calls/hang-up.ts';
import * as queries from './queries.ts';
import type { SessionRegistry } from './registry.ts';
import type { Sessions, SessionsDeps } from './service.ts';
import { isFinal } from './session.ts';
import * as store from './store.ts';
import { transition } from './transitions.ts';

/**
 * Finds sessions that no replica takes care of, by the database's clock, and transitions them:
 * - reconnect windows and lifetimes that are over, and minted sessions whose client never came;
 * - sessions of dead replicas: calls are taken over, WebSockets are lost;
 * - calls that a draining replica gave up;
 * - rows that say this process holds a session which it does not (a release that failed);
 * - what was left of sessions that nobody took up, which is deleted;
 * - finished sessions older than their retention, which are erased.
 *
 * Every process sweeps. Two that sweep the same session do no harm: the row's lock orders them and
 * the state machine lets the second do nothing.
 */
const SWEEP_INTERVAL_MS = 2_000;
const RETENTION_EVERY_SWEEPS = 30;
/** How long the replica that holds a session may take to end it before the sweep does. */
const EXPIRY_GRACE_MS = 10_000;
const HELD_MIN_AGE_MS = 60_000;
const BATCH = 100;

export interface SweepOptions {
  readonly deps: SessionsDeps;
  readonly registry: Pick<SessionRegistry, 'has'>;
  readonly sessions: Pick<Sessions, 'eraseRetired'>;
  readonly blobs: Pick<BlobStore, 'delete'>;
  readonly takeOver: (sessionId: string) => Promise<boolean>;
  /** How long finished sessions and their logs are kept; null: for ever. */
  readonly retentionMs: number | null;
}

export class SessionSweep implements Component {
  readonly name = 'realtime-sweep';
  readonly #options: SweepOptions;
  readonly #actor: string;
  readonly #sweep: Sweep;
  #draining = false;
  #sweeps = 0;

  constructor(options: SweepOptions) {
    this.#options = options;
    this.#actor = `replica:${options.deps.leases.replica}`;
    this.#sweep = new Sweep({
      name: this.name,
      intervalMs: SWEEP_INTERVAL_MS,
      atStart: false,
      run: () => this.#runSteps(),
      onFailure: error => options.deps.telemetry.log.warn('realtime.sweep_failed', { error }),
    });
  }

  start(): Promise<void> {
    return this.#sweep.start();
  }

  /** A draining process takes nothing over. */
  async drain(): Promise<void> {
    this.#draining = true;
  }

  stop(): Promise<void> {
    return this.#sweep.stop();
  }

  /** One sweep; a call during a sweep joins it. Never rejects. */
  sweep(): Promise<void> {
    return this.#sweep.run();
  }

  async #runSteps(): Promise<void> {
    // Calls are taken over before anything expires: only the replica that holds a call hangs it up.
    const steps = [
      () => this.#dead(),
      () => this.#orphans(),
      () => this.#overdue(),
      () => this.#left(),
    ];
    if (this.#sweeps % RETENTION_EVERY_SWEEPS === 0) {
      steps.push(
        () => this.#forgotten(),
        () => this.#retired(),
      );
    }
    this.#sweeps += 1;
    const { log } = this.#options.deps.telemetry;
    await eachOf(
      steps,
      step => step(),
      (_step, error) => log.warn('realtime.sweep_failed', { error }),
    );
  }

  async #overdue(): Promise<void> {
    const { deps } = this.#options;
    const options = { graceMs: EXPIRY_GRACE_MS, limit: BATCH };
    for (const row of await queries.overdue(deps.database.db, options)) {
      // Another replica takes the call over first, and then hangs it up.
      const call = row.transport !== 'websocket' && row.state === 'connected';
      if (call && (this.#draining || row.replica === null)) continue;
      const reason = !row.holds_place
        ? 'never_connected'
        : row.reconnect_until !== null
          ? 'window_over'
          : 'session_expired';
      const control = row.replica !== null && row.state === 'connected' ? 'end' : undefined;
      const input = { type: 'expire' as const, reason: reason as 'window_over' };
      await transition(deps, row.id, input, { actor: this.#actor, ...(control && { control }) });
    }
  }

  async #dead(): Promise<void> {
    const { deps } = this.#options;
    const ids = await deps.leases.expired(deps.database.db, 'session', BATCH);
    await this.#each(ids, id => this.#adopt(id));
  }

  async #orphans(): Promise<void> {
    if (this.#draining) return;
    const { deps, takeOver } = this.#options;
    const ids = await queries.orphanedCalls(deps.database.db, BATCH);
    await this.#each(ids, takeOver);
  }

  /** A session that fails does not hold up the others. */
  #each(ids: readonly string[], work: (id: string) => Promise<unknown>): Promise<void> {
    const { log } = this.#options.deps.telemetry;
    return eachOf(ids, work, (id, error) =>
      log.warn('realtime.sweep_failed', { session_id: id, error }),
    );
  }

  /** A session of a dead replica. Taking its lease first keeps a late writer out of its log. */
  async #adopt(id: string): Promise<void> {
    const { deps, takeOver } = this.#options;
    const row = await queries.find(deps.database.db, id);
    if (row !== undefined && row.transport !== 'websocket' && row.state === 'connected') {
      if (!this.#draining) await takeOver(id);
      return;
    }
    // Its replica had an order to end the call, and died before it did.
    if (
      row !== undefined &&
      row.transport !== 'websocket' &&
      isFinal(row.state) &&
      row.control !== null
    ) {
      await hangUpPersistently(deps.telemetry.log, () => deps.hangUpOrphan(row));
    }
    const lease = await deps.database
      .transaction(trx => deps.leases.acquire(trx, id))
      .catch((error: unknown) => {
        if (error instanceof HoldfastError && error.code === 'gone') return null;
        throw error;
      });
    if (lease === null) return;
    // Accepting a telephone call was begun; the provider may have taken it.
    if (row?.state === 'created') {
      await hangUpPersistently(deps.telemetry.log, () => deps.hangUpOrphan(row));
    }
    const lost = row?.state === 'connected';
    const input = lost
      ? { type: 'lose' as const, reason: 'replica_lost' as const }
      : { type: 'expire' as const, reason: 'replica_lost' as const };
    if (row?.state === 'disconnected') await deps.leases.release(deps.database.db, lease);
    else await transition(deps, id, input, { actor: this.#actor, lease });
  }

  async #forgotten(): Promise<void> {
    const { deps, registry } = this.#options;
    const options = { minAgeMs: HELD_MIN_AGE_MS, limit: BATCH };
    const held = await queries.heldBy(deps.database.db, deps.leases.replica, options);
    for (const id of held.filter(id => !registry.has(id))) {
      const row = await queries.find(deps.database.db, id);
      const input =
        row?.state === 'connected'
          ? { type: 'lose' as const, reason: 'replica_lost' as const }
          : { type: 'expire' as const, reason: 'replica_lost' as const };
      await transition(deps, id, input, { actor: this.#actor });
      await store.clearControl(deps.database.db, id);
    }
  }

  async #left(): Promise<void> {
    const { deps, blobs } = this.#options;
    for (const { id, handover_key: key } of await queries.leftBehind(deps.database.db, BATCH)) {
      await blobs.delete(key);
      await store.forgetHandover(deps.database.db, id);
    }
  }

  async #retired(): Promise<void> {
    const { deps, sessions, retentionMs } = this.#options;
    if (retentionMs === null) return;
    const options = { olderThanMs: retentionMs, limit: BATCH };
    for (const id of await queries.retired(deps.database.db, options)) {
      await sessions.eraseRetired(id);
    }
  }
}
