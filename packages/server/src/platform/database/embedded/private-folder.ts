import { chmodSync, lstatSync } from 'node:fs';
import type { DatabaseLog } from '../database-log.ts';
import { EmbeddedDatabaseError } from './error.ts';

const OTHERS = 0o077;

/**
 * Gives a folder of ours mode 0700 again, which a copy, a restored backup or a mount may have
 * widened: PostgreSQL refuses such a folder, and a socket in it would let others in.
 */
export function makePrivate(dir: string, owner: number, log?: DatabaseLog): void {
  const found = lstatSync(dir);
  if (!found.isDirectory()) throw new EmbeddedDatabaseError(`${dir} is not a folder`);
  if (found.uid !== owner) {
    throw new EmbeddedDatabaseError(
      `the folder ${dir} belongs to user ${found.uid}, and must belong to user ${owner}: ` +
        'change its owner, or start Holdfast as the user that it belongs to',
    );
  }
  if ((found.mode & OTHERS) === 0) return;
  chmodSync(dir, 0o700);
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
  log?.warn('database.folder_made_private', {
    folder: dir,
    detail: `The mode of ${dir} was ${mode}, which lets other users in; it is 0700 again.`,
  });
}
