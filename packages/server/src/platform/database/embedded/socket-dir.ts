/**
 * Where the server's Unix socket lies. It is the whole protection of the embedded database: there
 * is no port and no password, and the folder lets only our own user in.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatabaseLog } from '../database.ts';
import { makePrivate } from './data-folder.ts';
import { EmbeddedDatabaseError } from './error.ts';

/** The kernel's limit for the path of a Unix socket, with its closing zero. */
const SOCKET_PATH_MAX_BYTES = 108;
export const SOCKET_NAME = '.s.PGSQL.5432';

/** In the data folder; where its path is too long, in the system's temporary folder. */
export function makeSocketDir(dataDir: string, log?: DatabaseLog): string {
  const own = join(dataDir, 'socket');
  const isShort = Buffer.byteLength(join(own, SOCKET_NAME)) < SOCKET_PATH_MAX_BYTES;
  const name = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  const dir = isShort ? own : join(tmpdir(), `holdfast-${name}`);
  if (Buffer.byteLength(join(dir, SOCKET_NAME)) >= SOCKET_PATH_MAX_BYTES) {
    throw new EmbeddedDatabaseError(
      `the path ${dir} is too long for a Unix socket: set TMPDIR to a shorter one`,
    );
  }
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  makePrivate(dir, process.getuid!(), log);
  return dir;
}

/**
 * For node-postgres and pg-boss; it holds no secret. It sets everything that they would otherwise
 * take from the environment, where people keep `PG…` variables for another database.
 */
export function socketUrl(dir: string, user: string): string {
  const parameters = new URLSearchParams({
    host: dir,
    sslmode: 'disable',
    sslnegotiation: 'postgres',
    replication: 'false',
    options: '-c search_path=public',
    client_encoding: 'UTF8',
  });
  return `postgresql://${user}:unused@localhost:5432/postgres?${parameters}`;
}
