/**
 * The database: one port, two adapters that speak the same SQL.
 *
 * `openPglite` is embedded (a worker thread, files in the data folder, one process only);
 * `openPostgres` is PostgreSQL 15 or newer. Write SQL for PostgreSQL 15; spell STORED on generated
 * columns; how types arrive stands in `types.ts`.
 *
 * Invariants: audio never waits for the database (PGlite runs off the main thread); inside
 * `transaction` only its `trx` is used, anything else throws; every wait and queue is bounded and
 * ends in `HoldfastError('unavailable')`; errors carry SQLSTATE and names, never row values.
 */
export * from './database.ts';
export { isForeignKeyViolation, isUniqueViolation, SqlError } from './errors.ts';
export { type MigrationReport, migrate } from './migrate.ts';
export { openPglite, type PgliteDatabase, type PgliteOptions } from './pglite/open.ts';
export { type DatabaseLog, openPostgres, type PostgresOptions } from './postgres/open.ts';
export { ACQUIRE_QUEUE_LIMIT } from './session.ts';
