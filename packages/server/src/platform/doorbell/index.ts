/**
 * Doorbells: hints that a subject's log has grown, for this process and its siblings. `doorbell.ts`
 * is the port; one adapter works over PostgreSQL's NOTIFY, one over Redis.
 *
 * Invariants: ringing never throws and never waits; what waits to be sent is a bounded set of
 * subjects, so rings merge; a ring may be lost, merged or doubled. Listeners of the ringing process
 * are called without the network. Rings go out on connections of their own, never inside a
 * transaction: NOTIFY in an append would serialise all commits of the database.
 */
export * from './doorbell.ts';
export { createPostgresDoorbell } from './postgres-doorbell.ts';
export { createRedisDoorbell } from './redis-doorbell.ts';
