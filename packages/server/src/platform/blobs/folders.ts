import type { Dirent } from 'node:fs';
import { opendir, readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isCode } from './durable.ts';

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
