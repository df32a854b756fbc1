/**
 * PostgreSQL refuses to run as root, and as a user that has no name. For root there are two ways
 * around, tried in this order:
 *
 * 1. A user namespace in which we are another user. The files stay root's.
 * 2. Where namespaces are refused, as by some container engines: the user 65534 with the capability
 *    to pass folders that only root may enter. Without the securebit `access(2)` would ignore it.
 */
import { execFile } from 'node:child_process';
import { userInfo } from 'node:os';
import { promisify } from 'node:util';
import { EmbeddedDatabaseError } from './error.ts';

const run = promisify(execFile);

/** "nobody", which has a name on every system that we know. */
const NOBODY = 65534;
const TRY_TIMEOUT_MS = 5_000;

export interface RunAs {
  readonly way: 'ourselves' | 'user namespace' | 'capability';
  /** Stands before the command. Each way ends in `setpriv`, so that further options may follow. */
  readonly prefix: readonly string[];
  /** Who has to own the files that the command works on. */
  readonly owner: { readonly uid: number; readonly gid: number };
}

/** Throws one line where neither way is open. */
export async function chooseRunAs(): Promise<RunAs> {
  const owner = { uid: process.getuid!(), gid: process.getgid!() };
  const isRoot = owner.uid === 0;
  if (!isRoot && hasName()) return { way: 'ourselves', prefix: ['setpriv'], owner };
  const mapped = ['unshare', '--user', `--map-user=${NOBODY}`, `--map-group=${NOBODY}`, 'setpriv'];
  if (await works(mapped)) return { way: 'user namespace', prefix: mapped, owner };
  const dropped = [
    ...['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'],
    '--securebits=+no_setuid_fixup',
    ...['--inh-caps=-all,+dac_override', '--ambient-caps=-all,+dac_override'],
  ];
  if (isRoot && (await works(dropped))) {
    return { way: 'capability', prefix: dropped, owner: { uid: NOBODY, gid: NOBODY } };
  }
  const why = isRoot ? 'as root' : `as user ${owner.uid}, who has no name on this system`;
  throw new EmbeddedDatabaseError(
    `The embedded database cannot run ${why}, and this system allows no other way: ` +
      'start Holdfast as another user, or set DATABASE_URL to a PostgreSQL 15 or newer.',
  );
}

function hasName(): boolean {
  try {
    return userInfo().username !== '';
  } catch {
    return false;
  }
}

async function works([command, ...args]: readonly string[]): Promise<boolean> {
  try {
    await run(command!, [...args, 'true'], { cwd: '/', timeout: TRY_TIMEOUT_MS });
    return true;
  } catch {
    return false;
  }
}
