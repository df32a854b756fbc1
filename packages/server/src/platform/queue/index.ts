/**
 * The queue: jobs in SQL, on the same database as everything else, so that a run's row, its first
 * event and its job commit together. `queue.ts` is the port, `pg-boss-queue.ts` the adapter; it
 * keeps its tables in the schema `pgboss` and makes them when it starts.
 *
 * Invariants: a job is sent in its caller's transaction; it is delivered at least once, and again
 * after a kill as soon as its heartbeat is missed; one that keeps failing goes to the dead letters
 * of its queue and stays until it is redriven. Jobs carry names of things, never private text.
 */
export { createPgBossQueue } from './pg-boss-queue.ts';
export * from './queue.ts';
