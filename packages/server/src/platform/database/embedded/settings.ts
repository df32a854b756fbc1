/** Connections that a process opens beside its pool: two that listen, four of the queue. */
const OTHER_CONNECTIONS = 6;
/** Processes on one embedded database: the server and its worker. */
const PROCESSES = 2;
const SPARE_CONNECTIONS = 10;

/** How many connections the processes may open whose pools hold `poolMax` at most. */
export function connectionsFor(poolMax: number): number {
  return PROCESSES * (poolMax + OTHER_CONNECTIONS) + SPARE_CONNECTIONS;
}

/**
 * Files in the cluster instead of `/dev/shm`, which is tiny or missing in many containers, and
 * which systemd empties when its user logs out (`RemoveIPC`). Little is ever shared so.
 */
export const SHARED_MEMORY = ['dynamic_shared_memory_type=mmap'];

export interface ServerSettings {
  readonly socketDir: string;
  readonly maxConnections: number;
}

/**
 * The server's settings, for one person on one machine: little memory, few processes, a small and
 * bounded write-ahead log. They are arguments, not a file, so that a newer release brings its own.
 * `wal_level` keeps its default, which `pg_backup_start` needs. The log names no row's values.
 */
export function serverSettings({ socketDir, maxConnections }: ServerSettings): string[] {
  return [
    'listen_addresses=',
    `unix_socket_directories=${socketDir}`,
    'unix_socket_permissions=0700',
    `max_connections=${maxConnections}`,
    ...SHARED_MEMORY,
    'shared_buffers=32MB',
    'max_wal_size=96MB',
    'min_wal_size=32MB',
    'max_wal_senders=0',
    // On a full volume a server that restarts itself can stay half started; the supervisor starts
    // one that ended.
    'restart_after_crash=off',
    'max_logical_replication_workers=0',
    'max_parallel_workers_per_gather=0',
    'max_parallel_maintenance_workers=0',
    'autovacuum_max_workers=2',
    'io_method=sync',
    'jit=off',
    'timezone=UTC',
    'log_timezone=UTC',
    'lc_messages=C',
    'log_min_messages=log',
    'log_min_error_statement=panic',
    'log_error_verbosity=terse',
    'log_checkpoints=off',
    'log_line_prefix=',
  ];
}
