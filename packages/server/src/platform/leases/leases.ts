import type { Executor, Trx } from '../database/index.ts';

/**
 * Who drives a piece of work. A lease is a row of the subject: holder (a replica), fencing token,
 * and it is alive as long as its holder's heartbeat row is. Expiry is judged by the database's
 * clock. One heartbeat per process keeps any number of leases alive.
 */
export const LEASE_TTL_MS = 15_000;
/** A holder that could not renew for this long must act as if it had lost its leases. */
export const LEASE_SELF_FENCE_MS = (LEASE_TTL_MS * 2) / 3;
export const HEARTBEAT_INTERVAL_MS = 3_000;
/** Rows of dead replicas are swept after this time; their leases were free long before. */
export const REPLICA_KEPT_MS = 10 * 60_000;

export interface Lease {
  readonly subject: string;
  readonly replica: string;
  /** The fencing token: grows with every acquisition; appends of the driver carry it. */
  readonly fence: number;
}

export interface Leases {
  /** This process's replica id (`rep_…`). */
  readonly replica: string;
  /** Starts the heartbeat; must have beaten once before the first acquisition. */
  start(): Promise<void>;
  /**
   * Takes a free or expired lease, raising the fence; null when a live holder has it, this replica
   * itself included. Locks the subject's row. Throws `not_found`, `gone` when it was erased, or
   * `unavailable` when this replica's own heartbeat is too old.
   */
  acquire(trx: Trx, subject: string): Promise<Lease | null>;
  /** Gives the lease up; a lease already lost is no error. */
  release(executor: Executor, lease: Lease): Promise<void>;
  /** Those among `subjects` whose leases this replica has, whether it knows of them or not. */
  held(executor: Executor, subjects: readonly string[]): Promise<Lease[]>;
  /** Subjects of `kind` whose holder is dead, for the sweep that ends or takes them over. */
  expired(executor: Executor, kind: string, limit: number): Promise<string[]>;
  /** Milliseconds since the last successful heartbeat, on the monotonic clock. */
  sinceHeartbeatMs(): number;
  /** Removes this replica's row: all its leases are free at once. */
  stop(): Promise<void>;
}
