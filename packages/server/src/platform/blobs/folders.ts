import type { Dirent } from 'node:fs';
import { mkdir, opendir, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '../../kernel/index.ts';

/** Keys below `root` that start with `prefix`; only folders that can hold such keys are opened. */
export async function* walk(root: string, prefix: string, below = ''): AsyncGenerator<string> {
  for await (const entry of entries(join(root, below))) {
    const key = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) {
      const inside = `${key}/`;
      if (inside.startsWith(prefix) || prefix.startsWith(inside)) yield* walk(root, prefix, key);
    } else if (key.startsWith(prefix)) {
      yield key;
    }
  }
}

async function* entries(folder: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(folder);
  } catch (error) {
    // Pruned while we walked.
    if (!isCode(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
}

/** Removes the folders of a deleted key, from the innermost, as far as they are empty. */
export async function pruneFolders(root: string, key: string): Promise<void> {
  for (let folder = dirname(key); folder !== '.'; folder = dirname(folder)) {
    try {
      await rmdir(join(root, folder));
    } catch (error) {
      if (isCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) return;
      throw error;
    }
  }
}

/** Removes files of `folder` that were last written more than `maxAgeMs` ago. */
export async function removeStale(folder: string, maxAgeMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    try {
      const { mtimeMs } = await stat(path);
      if (Date.now() - mtimeMs > maxAgeMs) await unlink(path);
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error;
    }
  }
}

const RENAME_ATTEMPTS = 3;

/**
 * Moves a finished file to its place so that it survives a power cut: the folders it needs are made
 * and written through, then the rename, then the folder's new entry. The file itself must have been
 * synced before.
 */
export async function moveDurably(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await makeFolderDurably(dirname(to));
    try {
      await rename(from, to);
      break;
    } catch (error) {
      // A delete may have pruned the folder, which was empty until now, in between.
      if (!isCode(error, 'ENOENT') || attempt === RENAME_ATTEMPTS) throw error;
    }
  }
  await syncFolder(dirname(to));
}

async function makeFolderDurably(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let path = folder; ; path = dirname(path)) {
    await syncFolder(dirname(path));
    if (path === first) return;
  }
}

export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
