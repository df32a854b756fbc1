import { open } from 'node:fs/promises';

/** Writes a folder's entries through: a power cut may otherwise lose the name of a synced file. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
