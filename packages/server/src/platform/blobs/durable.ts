import { mkdir, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '../../kernel/index.ts';

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
