/**
 * The embedded database: PostgreSQL itself, as a child process with its files in the data folder.
 *
 *   <dataDir>/postgres-18      the cluster
 *   <dataDir>/socket           the Unix socket: no port, no password
 *   <dataDir>/postgres-lib     links to libraries
 *   <dataDir>/holdfast.lock    who serves            } see `folder-lock.ts`
 *   <dataDir>/postgres.lock    who writes            }
 *
 * It syncs, so that it survives the loss of power. It ends with the last process that serves,
 * however that ended (`guard.ts`), and is started again when it dies (`supervisor.ts`).
 */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findBinaries, MAJOR_VERSION } from './binaries.ts';
import { makeCluster, SUPERUSER } from './cluster.ts';
import { isFull, makeDataDir, refuseNetworkVolume } from './data-folder.ts';
import { EmbeddedDatabaseError, toEmbeddedError } from './error.ts';
import { lockFolder } from './folder-lock.ts';
import { setAsideOldFolder } from './old-folder.ts';
import { chooseRunAs } from './run-as.ts';
import { connectionsFor, serverSettings } from './settings.ts';
import { makeSocketDir, socketUrl } from './socket-dir.ts';
import { type EmbeddedLog, Supervisor } from './supervisor.ts';

/** What this version keeps in the data folder beside the server's own files. */
const OWN_NAMES = ['holdfast.lock', 'holdfast.pid', 'postgres.lock'];
const DEFAULT_POOL_MAX = 30;

export interface EmbeddedOptions {
  /** The server's data folder, made if missing. */
  readonly dataDir: string;
  readonly log: EmbeddedLog;
  /** The most connections in the pool of each process that uses the database. */
  readonly poolMax?: number | undefined;
  /** Whether the database writes through to the disk; only tests do without. Default: true. */
  readonly sync?: boolean | undefined;
}

export interface EmbeddedDatabase {
  /** For `openPostgres`; stays the same when the database is started again. */
  readonly url: string;
  /**
   * The lock of the data folder, as a descriptor for every child that serves too (an entry of its
   * `stdio`). The folder stays taken, and the database up, until the last holder has ended.
   */
  readonly lockFd: number;
  /** Stops the database, in order, and unlocks the folder. The pools must be closed before. */
  close(): Promise<void>;
}

/**
 * Starts the database, which it makes if there is none, and keeps it running. Throws one line when
 * another server has the folder, and when there is no room or no way to run it.
 */
export async function openEmbeddedDatabase(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const { log, sync = true } = options;
  const dataDir = makeDataDir(options.dataDir);
  const clusterDir = join(dataDir, `postgres-${MAJOR_VERSION}`);
  refuseNetworkVolume(dataDir, readFileSync('/proc/self/mountinfo', 'utf8'));
  const runAs = await chooseRunAs();
  const lock = await lockFolder({ dataDir, clusterDir }, log);
  try {
    await setAsideOldFolder({ dataDir, clusterDir, own: OWN_NAMES }, log);
    const binaries = findBinaries(join(dataDir, 'postgres-lib'));
    const lockFd = lock.database.fd;
    await makeCluster({ dir: clusterDir, binaries, runAs, lockFd, sync, log });
    const socketDir = makeSocketDir(dataDir, log);
    const maxConnections = connectionsFor(options.poolMax ?? DEFAULT_POOL_MAX);
    const settings = [
      ...serverSettings({ socketDir, maxConnections }),
      ...(sync ? [] : ['fsync=off']),
    ];
    const folders = { dataDir, clusterDir, socketDir };
    const supervisor = new Supervisor({ ...folders, binaries, runAs, settings, log });
    await supervisor.start(lock.database);
    let closing: Promise<void> | undefined;
    const close = async () => {
      await supervisor.close();
      await rm(socketDir, { recursive: true, force: true });
      lock.serving.release();
    };
    return {
      url: socketUrl(socketDir, SUPERUSER),
      lockFd: lock.serving.fd,
      close() {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    lock.database.release();
    lock.serving.release();
    throw isFull(dataDir)
      ? new EmbeddedDatabaseError(`no room on the volume of ${dataDir}`, { cause: error })
      : toEmbeddedError(error, dataDir);
  }
}
