/** The cluster: the folder that PostgreSQL keeps its databases in. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lchownSync, lstatSync, readdirSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../../../kernel/index.ts';
import type { DatabaseLog } from '../database.ts';
import type { Binaries } from './binaries.ts';
import { makePrivate } from './data-folder.ts';
import { EmbeddedDatabaseError } from './error.ts';
import type { RunAs } from './run-as.ts';
import { faults } from './server-log.ts';
import { SHARED_MEMORY } from './settings.ts';

export const SUPERUSER = 'holdfast';
const OUTPUT_KEPT_CHARS = 8_000;

export interface ClusterParts {
  readonly dir: string;
  readonly binaries: Binaries;
  readonly runAs: RunAs;
  /** The database's lock, which `initdb` holds as long as it runs. */
  readonly lockFd: number;
  readonly sync: boolean;
  readonly log: DatabaseLog;
}

/**
 * Makes the cluster where there is none: aside, written through, and renamed when it is whole, so
 * that a start that is killed leaves nothing behind that looks like a database.
 */
export async function makeCluster(parts: ClusterParts): Promise<void> {
  const { dir, runAs } = parts;
  if (existsSync(dir)) {
    give(dir, runAs.owner);
    return makePrivate(dir, runAs.owner.uid, parts.log);
  }
  const draft = `${dir}.new`;
  await rm(draft, { recursive: true, force: true });
  try {
    await initdb(draft, parts);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  await rename(draft, dir);
  if (parts.sync) await syncFolder(dirname(dir));
}

async function initdb(dir: string, { binaries, runAs, lockFd, sync }: ClusterParts): Promise<void> {
  const [command, ...args] = [
    ...[...runAs.prefix, '--pdeathsig=KILL', binaries.initdb],
    ...['--pgdata', dir, '--username', SUPERUSER, '--auth', 'trust', '--encoding', 'UTF8'],
    ...['--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8', '--locale', 'C'],
    ...SHARED_MEMORY.flatMap(setting => ['--set', setting]),
    ...['--no-instructions', ...(sync ? [] : ['--no-sync'])],
  ];
  const child = spawn(command!, args, {
    cwd: '/',
    env: binaries.env,
    stdio: ['ignore', 'ignore', 'pipe', lockFd],
  });
  let output = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-OUTPUT_KEPT_CHARS);
  });
  const [code] = await once(child, 'close');
  if (code !== 0)
    throw new EmbeddedDatabaseError(`the database could not be created: ${faults(output)}`);
}

/** After a start by another user, or in another way: everything in `dir` changes hands. */
function give(dir: string, { uid, gid }: RunAs['owner']): void {
  if (process.getuid!() !== 0 || lstatSync(dir).uid === uid) return;
  for (const { parentPath, name } of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    lchownSync(join(parentPath, name), uid, gid);
  }
  // Last, so that the next start repeats this after a kill in the middle.
  lchownSync(dir, uid, gid);
}
