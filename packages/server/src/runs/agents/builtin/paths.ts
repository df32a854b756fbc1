import { readlink, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';

/** As many links, one to the next, as Linux follows. */
const LINKS_MAX = 40;

/**
 * Where a path of the model really leads: relative to the workspace, links followed. Throws when
 * that is outside. The sandbox is what stops an agent; this keeps an honest one from mistakes.
 */
export async function inside(workspaceDir: string, path: string): Promise<string> {
  const root = await realpath(workspaceDir);
  const target = await reachable(resolve(root, path), LINKS_MAX);
  if (target === root || target.startsWith(root + sep)) return target;
  throw new Error(`${path} is outside the workspace.`);
}

/** `path` with the links of all its parts followed, also of a link to what does not exist. */
async function reachable(path: string, links: number): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const folder = await reachable(dirname(path), links);
  const here = join(folder, basename(path));
  const target = await readlink(here).catch(() => null);
  if (target === null) return here;
  if (links === 0) throw new Error('Too many links.');
  return reachable(resolve(folder, target), links - 1);
}
