import { removeTree, sizeOf } from './disk.ts';
import type { Layout } from './layout.ts';
import { Mirror } from './mirror.ts';
import type { Locks } from './mirror-lock.ts';
import type { WorkspaceLimits } from './workspace.ts';

interface TidyDeps {
  readonly layout: Layout;
  readonly locks: Locks;
  readonly limits: WorkspaceLimits;
}

/**
 * Removes folders of runs that no worker drives, then mirrors, least recently used first, until the
 * rest fits. A mirror with a clone stays: the clone's objects are in it.
 */
export async function tidyDisk(
  deps: TidyDeps,
  isLive: (runId: string) => Promise<boolean>,
): Promise<void> {
  const { layout, limits } = deps;
  for (const runId of await layout.runs()) {
    if (!(await isLive(runId))) await removeTree(layout.run(runId));
  }
  for (const repositoryId of await layout.mirrors()) await cleanMirror(deps, repositoryId);
  let sizeBytes = await sizeOf(layout.dir);
  for (const repositoryId of await leastRecentlyUsed(deps)) {
    if (sizeBytes <= limits.diskMaxBytes) return;
    sizeBytes -= await removeMirror(deps, repositoryId);
  }
}

async function cleanMirror(deps: TidyDeps, repositoryId: string): Promise<void> {
  const { layout, limits, locks } = deps;
  await locks.run(layout.lock(repositoryId), async () => {
    const mirror = new Mirror(layout.mirror(repositoryId), limits);
    await mirror.sweep();
    if (!(await layout.pinned()).has(repositoryId)) await mirror.repack();
  });
}

async function leastRecentlyUsed({ layout, limits }: TidyDeps): Promise<string[]> {
  const ids = await layout.mirrors();
  const mirrors = await Promise.all(
    ids.map(async id => ({
      id,
      usedMs: await new Mirror(layout.mirror(id), limits).usedMs(),
    })),
  );
  return mirrors.toSorted((a, b) => a.usedMs - b.usedMs).map(({ id }) => id);
}

/** Returns the bytes that became free. */
async function removeMirror({ layout, locks }: TidyDeps, repositoryId: string): Promise<number> {
  return locks.run(layout.lock(repositoryId), async () => {
    // Checked under the lock: a new clone pins its mirror under it, too.
    if ((await layout.pinned()).has(repositoryId)) return 0;
    const folder = layout.mirror(repositoryId);
    const sizeBytes = await sizeOf(folder);
    await removeTree(folder);
    return sizeBytes;
  });
}
