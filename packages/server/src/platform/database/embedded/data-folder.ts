/** The data folder: that it is there and private, and that its volume fits a database. */
import { chmodSync, lstatSync, mkdirSync, realpathSync, statfsSync } from 'node:fs';
import type { DatabaseLog } from '../database.ts';
import { EmbeddedDatabaseError, toEmbeddedError } from './error.ts';

/** As Linux names them; `fuse.*` only those that reach over a network. */
const NETWORK_TYPES = new RegExp(
  '^(nfs|nfs4|cifs|smb3|smbfs|9p|afs|ceph|lustre|gpfs|glusterfs|ncpfs|' +
    'fuse\\.(sshfs|rclone|s3fs|gcsfuse|blobfuse2?|glusterfs|ceph|davfs2?|mount-s3|juicefs))$',
);
/** Less than the database needs to start: one segment of its log, and some. */
const FULL_BYTES = 20 * 1024 * 1024;
/** The mode bits of group and others. */
const OTHERS = 0o077;

/** Its real path; made if missing. Throws one line where that is not possible. */
export function makeDataDir(path: string): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return realpathSync(path);
  } catch (error) {
    throw toEmbeddedError(error, path);
  }
}

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

/** Throws one line where the folder lies on a network file system, by the list of mounts. */
export function refuseNetworkVolume(folder: string, mountinfo: string): void {
  const type = fileSystemType(folder, mountinfo);
  if (type === undefined || !NETWORK_TYPES.test(type)) return;
  throw new EmbeddedDatabaseError(
    `the data folder ${folder} lies on a network file system (${type}), on which a database may ` +
      'lose data: choose another HOLDFAST_DATA_DIR, or set DATABASE_URL',
  );
}

/** The type of the file system that holds an absolute path. */
export function fileSystemType(path: string, mountinfo: string): string | undefined {
  let best = { length: -1, type: undefined as string | undefined };
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const mountPoint = before?.split(' ')[4];
    if (mountPoint === undefined || after === undefined) continue;
    const point = mountPoint.replaceAll(/\\(\d{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const inside = point === '/' || path === point || path.startsWith(`${point}/`);
    // Of mounts on one another, the last in the list is on top.
    if (inside && point.length >= best.length) {
      best = { length: point.length, type: after.split(' ')[0] };
    }
  }
  return best.type;
}

/** Whether a database in `folder` lacks the room that it needs. */
export function isFull(folder: string): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize < FULL_BYTES;
}
