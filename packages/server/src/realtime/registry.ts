import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { type Principal, type Rights, roleIncludes, type Watch } from '../auth/index.ts';
import { type Component, HoldfastError, RepeatedLook } from '../kernel/index.ts';
import type { Doorbell } from '../platform/doorbell/index.ts';
import type { LeasedSession } from './leased-session.ts';
import * as queries from './queries.ts';
import { type RelayPeer, SERVICE_RESTART } from './relay/index.ts';
import * as store from './store.ts';
import type { Protocol, Transport } from './tables.ts';
import type { TransitionDeps } from './transitions.ts';
import { Turns } from './turns.ts';

/**
 * The sessions this process holds, and what it does for them besides relaying. Once a second it
 * reads from the database which sessions it must end and whose time is over (a ring makes that
 * sooner), every few seconds it writes usage and activity in one statement, and it drains.
 *
 *   open ──drain──▶ accepting late-comers ──acceptMs──▶ refusing ──all gone or deadline──▶ closed
 *
 * While it refuses, each WebSocket's session is left to another process in its next pause; at the
 * deadline all others are, or are closed with 1012, and all are `disconnected`, reason `drain`.
 * Calls go on at the provider, and their leases are given up for another replica to take.
 */
export type StopReason = 'end' | 'erase' | 'expired' | 'drain' | 'lost' | 'revoked' | 'budget';

/** The way of one session's client back into it. */
export interface WayBack {
  readonly protocol: Protocol;
  /** How many messages the client has been sent. */
  readonly sentMessages: number;
  admits(handle: string): boolean;
  isOf(caller: Principal): boolean;
  isBySecret(secretId: string): boolean;
  /** Whether the present connection answers; false where there is none. */
  isAnswering(): Promise<boolean>;
  /** The session is ending, so that nobody comes back to it here. */
  readonly isOver: boolean;
  /** Waits until `resume` may be called; false where it is over, or takes too long. */
  isReady(): Promise<boolean>;
  /** Goes on at that connection, after the messages that the client has had, if it knows. */
  resume(peer: RelayPeer, received: number | null): void;
}

export interface MoveOptions {
  readonly hurry: AbortSignal;
  /** Its client has come to another process already. */
  readonly isElsewhere?: boolean;
  readonly timeLeftMs: number;
  /** Not even its turn is waited for. */
  readonly isNow?: boolean;
  /** Resolves when it is the turn of the one that asks, which lasts `until` that. */
  readonly turn: (until: Promise<void>) => Promise<void>;
}

export interface RegisteredSession {
  readonly leased: LeasedSession;
  readonly transport: Transport;
  /** Milliseconds since a byte last came from either side. */
  idleMs(): number;
  /** How a client that has lost its line goes on; absent where it cannot. */
  readonly line?: WayBack;
  /** Ends it, once; later calls change nothing. */
  stop(reason: StopReason): void;
  /**
   * Leaves it to another process in a pause, or at once where `hurry` is aborted; called again, it
   * only hurries. Absent where nothing can go on elsewhere: it is stopped.
   */
  moveOut?(options: MoveOptions): void;
  /** Resolves when nothing of it is left. Never rejects. */
  readonly done: Promise<void>;
}

/** A client's sideband of a call, as far as it is closed with this process. */
export interface ClientSideband {
  close(code: number, reason: string): void;
}

const POLL_INTERVAL_MS = 1_000;
const HEARTBEAT_EVERY_POLLS = 5;
/** How long `stop` waits for closing handshakes and last writes; a drain should leave as much. */
const STOP_TIMEOUT_MS = 12_000;
/** The longest time a timer can wait: 24 days. */
const FOREVER_MS = 2 ** 31 - 1;
const DRAIN_CLOSE = [SERVICE_RESTART, 'drain'] as const;
/** Policy violation: connecting again with the same credential will not help. */
const REVOKED_CLOSE = [1008, 'access_revoked'] as const;
/**
 * So many sessions are on their way out at once; the others talk on meanwhile. More would wait for
 * each other's processor time without a line.
 */
const MOVES_AT_ONCE = availableParallelism() + 1;
/** So long before the deadline pauses are no longer waited for: the moves take their time. */
const HURRY_MS = 5_000;
const AT_ONCE: MoveOptions = {
  hurry: AbortSignal.abort(),
  isNow: true,
  timeLeftMs: 0,
  turn: () => Promise.resolve(),
};
const ORDERS_MAX = 500;
const ACTIVITY_BATCH = 500;

export interface SessionRegistryOptions {
  readonly deps: TransitionDeps;
  readonly doorbell: Doorbell;
  readonly watch: Pick<Watch, 'follow'>;
  /** How long a draining process still takes new sessions. */
  readonly drainAcceptMs: number;
  /** How long after that its sessions may go on; unset: until the drain's deadline. */
  readonly drainGraceMs?: number | undefined;
  /** What clients are told of the time that is left when it begins to refuse. */
  readonly drainTimeMs?: number | undefined;
}

/** The bell that makes a replica read its orders. */
export const orderBell = (replica: string) => `orders:${replica}`;

export class SessionRegistry implements Component {
  readonly name = 'realtime';
  /** Clients' sidebands of calls. They are no sessions, but are closed with this process. */
  readonly #sidebands = new Set<ClientSideband>();
  readonly #options: SessionRegistryOptions;
  readonly #sessions = new Map<string, RegisteredSession>();
  /** How each is no longer ended with its opener's right. */
  readonly #unfollow = new Map<RegisteredSession, () => void>();
  #refusing = false;
  readonly #moves = new Turns(MOVES_AT_ONCE);
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;
  #unsubscribe: (() => void) | undefined;
  #polls = 0;
  readonly #look: RepeatedLook;

  constructor(options: SessionRegistryOptions) {
    this.#options = options;
    const { log } = options.deps.telemetry;
    this.#look = new RepeatedLook(() => this.#obey(), { log, event: 'realtime.poll_failed' });
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Open WebSockets of clients. */
  get socketCount(): number {
    let count = this.#sidebands.size;
    for (const session of this.#sessions.values()) {
      if (session.transport === 'websocket') count += 1;
    }
    return count;
  }

  has(id: string): boolean {
    return this.#sessions.has(id);
  }

  find(id: string): RegisteredSession | undefined {
    return this.#sessions.get(id);
  }

  /** The session that was opened with that one-session secret. */
  findBySecret(secretId: string): RegisteredSession | undefined {
    return [...this.#sessions.values()].find(session => session.line?.isBySecret(secretId));
  }

  /** Throws `draining` once this process takes no more sessions. */
  assertAdmitting(): void {
    if (!this.#refusing) return;
    throw new HoldfastError('draining', 'The server is shutting down. Connect again.', {
      retryAfterS: 1,
    });
  }

  /**
   * Holds a session until it is done. One whose opening was under way when the process stopped is
   * released at once; one whose opener's right ends is stopped.
   */
  add(session: RegisteredSession, opener: Rights): void {
    const { id } = session.leased;
    this.#sessions.set(id, session);
    this.follow(session, opener);
    void session.done.then(() => {
      this.#unfollow.get(session)?.();
      this.#unfollow.delete(session);
      if (this.#sessions.get(id) === session) this.#sessions.delete(id);
    });
    if (this.#stopping) session.stop('drain');
  }

  /** From now on the session ends with the right of that caller, who holds it. */
  follow(session: RegisteredSession, opener: Rights): void {
    this.#unfollow.get(session)?.();
    this.#unfollow.set(
      session,
      this.#follow(opener, () => session.stop('revoked')),
    );
  }

  /** The same for a client's sideband; returns the function to call when it is over. */
  addSideband(sideband: ClientSideband, opener: Rights): () => void {
    this.#sidebands.add(sideband);
    const unfollow = this.#follow(opener, () => sideband.close(...REVOKED_CLOSE));
    if (this.#stopping) sideband.close(...DRAIN_CLOSE);
    return () => {
      unfollow();
      this.#sidebands.delete(sideband);
    };
  }

  #follow(opener: Rights, onRevoked: () => void): () => void {
    return this.#options.watch.follow(opener, role => {
      if (role === null || !roleIncludes(role, 'Developer')) onRevoked();
    });
  }

  async start(): Promise<void> {
    const bell = orderBell(this.#options.deps.leases.replica);
    this.#unsubscribe = this.#options.doorbell.onRing(subjects => {
      if (subjects.includes(bell)) void this.#look.now();
    });
    this.#timer = setInterval(() => {
      this.#polls += 1;
      void this.#look.now();
      if (this.#polls % HEARTBEAT_EVERY_POLLS === 0) void this.writeActivity();
    }, POLL_INTERVAL_MS);
    this.#timer.unref();
  }

  async drain(signal: AbortSignal): Promise<void> {
    await delay(this.#options.drainAcceptMs, undefined, { signal, ref: false }).catch(() => {});
    this.#refusing = true;
    this.#moveOut(signal);
    const emptied = new AbortController();
    const over = AbortSignal.any([signal, emptied.signal]);
    const { drainGraceMs = FOREVER_MS } = this.#options;
    const grace = delay(drainGraceMs, undefined, { signal: over, ref: false }).catch(() => {});
    await Promise.race([this.#emptied(), grace]);
    emptied.abort();
    await this.stop();
  }

  /** Lets go of all sessions with which another process can go on. */
  #moveOut(deadline: AbortSignal): void {
    const timeLeftMs = this.#options.drainTimeMs ?? FOREVER_MS;
    const calm = AbortSignal.timeout(Math.max(0, timeLeftMs - HURRY_MS));
    const hurry = AbortSignal.any([deadline, calm]);
    const turn = (until: Promise<void>) => this.#moves.take(until);
    const options = { hurry, timeLeftMs, turn };
    for (const session of this.#sessions.values()) session.moveOut?.(options);
  }

  async stop(): Promise<void> {
    this.#refusing = true;
    this.#stopping = true;
    for (const session of this.#sessions.values()) session.moveOut?.(AT_ONCE);
    clearInterval(this.#timer);
    this.#unsubscribe?.();
    for (const session of this.#sessions.values()) {
      if (session.moveOut === undefined) session.stop('drain');
    }
    for (const sideband of this.#sidebands) sideband.close(...DRAIN_CLOSE);
    await Promise.race([this.#emptied(), delay(STOP_TIMEOUT_MS, undefined, { ref: false })]);
  }

  async #emptied(): Promise<void> {
    while (this.#sessions.size > 0) {
      await Promise.all([...this.#sessions.values()].map(session => session.done));
    }
  }

  /** Acts on this replica's orders. */
  async #obey(): Promise<void> {
    const { database, leases } = this.#options.deps;
    if (this.#sessions.size === 0) return;
    for (const order of await queries.orders(database.db, leases.replica, ORDERS_MAX)) {
      const session = this.#sessions.get(order.id);
      if (order.handover_wanted && order.control === null) {
        session?.moveOut?.({ ...AT_ONCE, isElsewhere: true });
        await store.unwantHandover(database.db, order.id);
        continue;
      }
      session?.stop(order.control ?? 'expired');
      if (order.control !== null) await store.clearControl(database.db, order.id);
    }
  }

  /** Writes usage and activity of all sessions. Never rejects: the next beat writes the same. */
  async writeActivity(): Promise<void> {
    const { database, leases, telemetry } = this.#options.deps;
    const facts = [...this.#sessions.values()].map(session => ({
      id: session.leased.id,
      idleMs: session.idleMs(),
      totals: session.leased.tap.meter.totals,
    }));
    try {
      for (let at = 0; at < facts.length; at += ACTIVITY_BATCH) {
        await store.writeActivity(
          database.db,
          leases.replica,
          facts.slice(at, at + ACTIVITY_BATCH),
        );
      }
    } catch (error) {
      if (!this.#look.failing) telemetry.log.warn('realtime.heartbeat_failed', { error });
    }
  }
}
