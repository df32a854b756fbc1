/**
 * A data folder of version 0.1, whose database (PGlite, in `database`) PostgreSQL cannot open, is
 * set aside whole: files, keys and workspaces belong to that database, and the first upkeep of a
 * new one would remove what it does not know.
 *
 *   database → holdfast-0.1.moving → (everything moved, `database` last) → holdfast-0.1
 *
 * It stays inside the data folder, which may be a mount point. A start that was killed in the
 * middle is continued by the next one: nothing of the new kind is made before the last rename.
 */

import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { syncFolder } from '../../../kernel/index.ts';
import type { DatabaseLog } from '../database.ts';
import { EmbeddedDatabaseError } from './error.ts';

const OLD_DATABASES = ['database.new', 'database'];
const ASIDE = 'holdfast-0.1';
const MOVING = `${ASIDE}.moving`;
/** SQLite's result code for a file that another process has locked. */
const SQLITE_BUSY = 5;

export interface OldFolder {
  readonly dataDir: string;
  readonly clusterDir: string;
  /** What this version has made already: it stays. */
  readonly own: readonly string[];
}

/** Throws when a server of version 0.1 still works on the folder. */
export async function setAsideOldFolder(folder: OldFolder, log: DatabaseLog): Promise<void> {
  const { dataDir, clusterDir, own } = folder;
  const moving = join(dataDir, MOVING);
  if (existsSync(clusterDir)) return;
  const isOld = OLD_DATABASES.some(name => existsSync(join(dataDir, name, 'PG_VERSION')));
  if (!isOld && !existsSync(moving)) return;
  assertUnused(dataDir);
  mkdirSync(moving, { recursive: true, mode: 0o700 });
  // The last belongs to the file system of a volume that is mounted here.
  const stays = new Set([...own, MOVING, 'lost+found']);
  const isAside = (name: string) => name === ASIDE || name.startsWith(`${ASIDE}-`);
  const names = readdirSync(dataDir).filter(name => !stays.has(name) && !isAside(name));
  const last = (name: string) => (OLD_DATABASES.includes(name) ? 1 : 0);
  for (const name of names.toSorted((a, b) => last(a) - last(b))) {
    renameSync(join(dataDir, name), join(moving, name));
  }
  await syncFolder(moving);
  const aside = freeName(dataDir);
  renameSync(moving, aside);
  await syncFolder(dataDir);
  log.warn('database.old_folder_set_aside', {
    folder: aside,
    detail:
      'The data folder is of version 0.1, whose database this version cannot open. All of it was ' +
      'moved to this folder and a new one begins; nothing was deleted.',
  });
}

function freeName(dataDir: string): string {
  for (let count = 1; ; count += 1) {
    const path = join(dataDir, count === 1 ? ASIDE : `${ASIDE}-${count}`);
    if (!existsSync(path)) return path;
  }
}

/** Version 0.1 locked its folder through SQLite, with another kind of lock on the same file. */
function assertUnused(dataDir: string): void {
  const file = new DatabaseSync(join(dataDir, 'holdfast.lock'), { timeout: 0 });
  try {
    file.exec('begin exclusive');
  } catch (error) {
    if (!(error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY))
      throw error;
    throw new EmbeddedDatabaseError(
      `a Holdfast server of version 0.1 uses the data folder ${dataDir}: stop it first`,
    );
  } finally {
    file.close();
  }
}
