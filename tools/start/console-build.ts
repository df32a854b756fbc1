import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { endWithin, ROOT, startNode, whenEnded } from './children.ts';

/**
 * The console's pages are built when their sources changed since the last build, which a hash
 * beside them tells. A build goes to a folder aside and takes the place of the old one only when it
 * is whole, because the server may be serving that.
 */
const CONSOLE = join(ROOT, 'packages/console');
const DIST = join(CONSOLE, 'dist');
const MARKER = '.sources';
const BUILD_TIMEOUT_MS = 300_000;
const SOURCES = [
  'package-lock.json',
  'packages/console/index.html',
  'packages/console/package.json',
  'packages/console/vite.config.ts',
  'packages/console/src',
  'packages/client/src',
  'packages/protocol/src',
];

export interface BuildResult {
  readonly built: boolean;
  /** What the build tool printed when it failed; null: the pages are there. */
  readonly fault: string | null;
}

/** A build that fails for whatever reason is a fault to show: the server works without pages. */
export async function buildConsoleWhenStale(): Promise<BuildResult> {
  try {
    return await buildWhenStale();
  } catch (error) {
    return { built: false, fault: (error as Error).message };
  }
}

async function buildWhenStale(): Promise<BuildResult> {
  const hash = await hashSources();
  if ((await builtHash()) === hash) return { built: false, fault: null };
  const aside = join(ROOT, '.cache', `console-${process.pid}`);
  try {
    const fault = await build(aside);
    if (fault !== null) return { built: false, fault };
    await writeFile(join(aside, MARKER), hash);
    await rm(DIST, { recursive: true, force: true });
    await rename(aside, DIST);
    return { built: true, fault: null };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function builtHash(): Promise<string | null> {
  const marker = join(DIST, MARKER);
  return existsSync(marker) ? readFile(marker, 'utf8') : null;
}

async function build(outDir: string): Promise<string | null> {
  const vite = createRequire(join(CONSOLE, 'package.json')).resolve('vite/package.json');
  const child = startNode(
    [join(dirname(vite), 'bin/vite.js'), 'build', '--outDir', outDir, '--logLevel', 'warn'],
    { cwd: CONSOLE, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const ended = whenEnded(child);
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-8_000);
  };
  // Both are missing where the process could not be started.
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const { code } = await endWithin(child, ended, { name: 'build', timeoutMs: BUILD_TIMEOUT_MS });
  return code === 0 ? null : output.trim() || `vite ended with code ${code}`;
}

/** Names and contents of all sources but tests. */
export async function hashSources(root = ROOT, sources = SOURCES): Promise<string> {
  const hash = createHash('sha256');
  for (const source of sources) {
    for (const file of await filesOf(join(root, source))) {
      hash.update(`${relative(root, file)}\0`);
      hash.update(await readFile(file));
      hash.update('\0');
    }
  }
  return hash.digest('hex');
}

async function filesOf(path: string): Promise<string[]> {
  if (!existsSync(path)) return [];
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => null);
  if (entries === null) return [path];
  return entries
    .filter(entry => entry.isFile() && !/\.test\.tsx?$/.test(entry.name))
    .map(entry => join(entry.parentPath, entry.name))
    .sort();
}
