import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Dirent } from 'node:fs';
import { lstat, opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const FAULT_MAX_CHARS = 500;

/**
 * Bytes of all files below `folder`; links count as themselves. A file that vanishes meanwhile
 * counts 0.
 */
export async function sizeOf(folder: string): Promise<number> {
  let sizeBytes = 0;
  for await (const [path, entry] of walk(folder)) {
    if (!entry.isFile()) continue;
    sizeBytes += await lstat(path).then(
      info => info.size,
      () => 0,
    );
  }
  return sizeBytes;
}

/**
 * Removes a folder that an agent wrote; the agent may have removed its own rights in it, and made
 * folders so deep that no path leads to the last. Links are removed, never followed. No process may
 * still write there.
 */
export async function removeTree(folder: string): Promise<void> {
  // These programs go down by descriptors, where Node would need paths.
  const fault = await faultOf('rm', ['-rf', '--', folder]);
  if (fault === null) return;
  await faultOf('chmod', ['-R', 'u+rwx', '--', folder]);
  const left = await faultOf('rm', ['-rf', '--', folder]);
  if (left !== null) throw new Error(`${folder} cannot be removed: ${left}`);
}

/** What the program reports as its failure; null: it did all. */
async function faultOf(program: string, args: readonly string[]): Promise<string | null> {
  const env = { PATH: process.env.PATH, LC_ALL: 'C' };
  const child = spawn(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(0, FAULT_MAX_CHARS);
  });
  const [code] = await once(child, 'close');
  return code === 0 ? null : text.trim() || `${program} ended with ${code}`;
}

/** Removes entries of a folder that `isMeant` accepts and that have not changed for `ageMs`. */
export async function removeOlder(
  folder: string,
  isMeant: (name: string) => boolean,
  ageMs: number,
): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter(isMeant)) {
    const path = join(folder, name);
    const info = await lstat(path).catch(() => undefined);
    if (info && Date.now() - info.mtimeMs > ageMs) await removeTree(path);
  }
}

/** The folder and all folders in it. */
export async function foldersBelow(folder: string): Promise<string[]> {
  const folders = [folder];
  for await (const [path, entry] of walk(folder)) if (entry.isDirectory()) folders.push(path);
  return folders;
}

/** Every entry below, a folder before what is in it. */
async function* walk(folder: string): AsyncGenerator<[string, Dirent]> {
  const entries = await opendir(folder).catch(() => undefined);
  if (!entries) return;
  for await (const entry of entries) {
    const path = join(folder, entry.name);
    yield [path, entry];
    if (entry.isDirectory()) yield* walk(path);
  }
}
