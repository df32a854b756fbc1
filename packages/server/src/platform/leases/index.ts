/**
 * Leases: who drives a piece of work, with a fencing token that grows at every change of hands.
 * `leases.ts` is the port, `create-leases.ts` the implementation on SQL.
 *
 * Invariants: only the database's clock judges expiry. A replica beats one row for all its leases;
 * a lease whose holder's row is missing or older than `LEASE_TTL_MS` is free. Taking a lease locks
 * the subject's row, so of many contenders one wins, and raises the fence in the same transaction,
 * so that the former holder's appends are refused from then on. A thread beats while the main loop
 * is busy (`loop-guard.ts`), and ends a process whose loop does not turn.
 *
 * Tables: `replicas`, and `fence`, `lease_replica`, `leased_at` of `subjects`.
 */
export { createLeases, isHeld } from './create-leases.ts';
export * from './leases.ts';
