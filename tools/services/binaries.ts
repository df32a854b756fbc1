/**
 * Finds the programs that tests need and that npm cannot bring: PostgreSQL 15, Redis, Chromium,
 * OpenSSL, bubblewrap, gVisor, git. What is missing is installed with apt-get where that is
 * possible (root on Debian), once, with one line printed; elsewhere the caller gets one line on
 * how to get it.
 * Nothing is ever skipped: a test without its service is a failed test.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, globSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A download on a slow line; apt-get has time-outs of its own for single requests. */
const INSTALL_TIMEOUT_MS = 300_000;
const INSTALL_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

export interface BinaryRequest {
  /** Program names to look for on the PATH, best first. */
  readonly names: readonly string[];
  /** Glob patterns of folders to look in before the PATH. */
  readonly folders?: readonly string[];
  /** Whether the PATH is searched too. Default: true. */
  readonly onPath?: boolean;
  /** Debian's package that brings it. */
  readonly aptPackage: string;
  /** Whether it may be installed when it is missing. Default: for root on Debian. */
  readonly mayInstall?: boolean;
}

/** The path of the first program found, installing it where possible; throws one clear line. */
export async function findBinary(request: BinaryRequest): Promise<string> {
  const found = locate(request);
  if (found) return found;
  if (!(request.mayInstall ?? canInstall())) throw new Error(missing(request));
  process.stderr.write(`installing ${request.aptPackage} (apt-get), needed by the tests\n`);
  await install(request);
  const installed = locate(request);
  if (!installed) throw new Error(missing(request));
  return installed;
}

/** The system's own PostgreSQL of one version: `initdb`, `postgres`. */
export async function findPostgresBinary(name: string, version: number): Promise<string> {
  return findBinary({
    names: [name],
    folders: [`/usr/lib/postgresql/${version}/bin`, `/opt/homebrew/opt/postgresql@${version}/bin`],
    onPath: false,
    aptPackage: `postgresql-${version}`,
  });
}

/** Bubblewrap, which isolates agents. */
export async function findBubblewrap(): Promise<string> {
  return findBinary({ names: ['bwrap'], aptPackage: 'bubblewrap' });
}

/** gVisor, which isolates them by a kernel of its own. */
export async function findGvisor(): Promise<string> {
  return findBinary({ names: ['runsc'], aptPackage: 'runsc' });
}

function locate(request: BinaryRequest): string | undefined {
  const folders = (request.folders ?? []).flatMap(pattern => newestFirst(globSync(pattern)));
  const path = request.onPath === false ? [] : (process.env.PATH ?? '').split(delimiter);
  for (const name of request.names) {
    for (const folder of [...folders, ...path.filter(Boolean)]) {
      const file = join(folder, name);
      if (isExecutable(file)) return file;
    }
  }
  return undefined;
}

/** `/usr/lib/postgresql/16/bin` before `…/15/bin`, and before `…/9.6/bin`. */
function newestFirst(folders: readonly string[]): string[] {
  return folders.toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function canInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

async function install(request: BinaryRequest): Promise<void> {
  // `flock` serialises test processes that miss the same program; the second finds it installed.
  const lock = join(tmpdir(), 'holdfast-apt.lock');
  const options = '-qq -y --no-install-recommends -o DPkg::Lock::Timeout=120';
  const script = `apt-get -qq update && apt-get ${options} install "$1"`;
  try {
    await run('flock', [lock, 'sh', '-c', script, 'sh', request.aptPackage], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: INSTALL_TIMEOUT_MS,
      maxBuffer: INSTALL_MAX_OUTPUT_BYTES,
    });
  } catch (cause) {
    throw new Error(missing(request), { cause });
  }
}

function missing(request: BinaryRequest): string {
  return (
    `${request.names[0]} was not found: install it with ` +
    `"apt-get install ${request.aptPackage}" (or your system's package manager) and run again`
  );
}
