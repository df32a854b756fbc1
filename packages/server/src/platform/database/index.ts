/**
 * The database: PostgreSQL 15 or newer, through `openPostgres`. Where no address is set,
 * `openEmbeddedDatabase` runs PostgreSQL's own programs with the files in the data folder and
 * answers the address. Write SQL for PostgreSQL 15; spell STORED on generated columns; `types.ts`
 * describes how types arrive.
 *
 * Invariants: audio never waits for the database; inside `transaction` only its `trx` is used,
 * anything else throws; every wait and queue is bounded and ends in `HoldfastError('unavailable')`;
 * errors carry SQLSTATE and names, never row values.
 */
export * from './database.ts';
export { isFull } from './embedded/data-folder.ts';
export { EmbeddedDatabaseError } from './embedded/error.ts';
export { openEmbeddedDatabase } from './embedded/open.ts';
export { isUniqueViolation, SqlError } from './errors.ts';
export { migrate } from './migrate.ts';
export { observePool } from './pool-metrics.ts';
export { openPostgres } from './postgres/open.ts';
