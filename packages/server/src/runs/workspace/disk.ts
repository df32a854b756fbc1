import type { Dirent } from 'node:fs';
import { chmod, lstat, opendir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

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
 * Removes a folder that an agent wrote; the agent may have removed its own rights in it. Links are
 * removed, never followed. No process may still write there.
 */
export async function removeTree(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    await chmod(folder, 0o700);
    for await (const [path, entry] of walk(folder)) {
      if (!entry.isDirectory()) continue;
      // `rm` works on several folders at once and continues in the others after an error.
      await chmod(path, 0o700).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
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
