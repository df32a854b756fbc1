import { open } from 'node:fs/promises';

/** Writes a folder's entries through, so that a rename in it survives the loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
