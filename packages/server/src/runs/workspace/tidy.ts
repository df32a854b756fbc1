import { eachOf } from '../../work/index.ts';
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
 * rest fits. A mirror with a clone stays: the clone's objects are in it. A failure does not hold up
 * the rest; all failures are thrown together in the end.
 */
export async function tidyDisk(
  deps: TidyDeps,
  isLive: (runId: string) => Promise<boolean>,
): Promise<void> {
  const { layout, limits } = deps;
  const failures: unknown[] = [];
  const onFailure = (_: string, error: unknown) => failures.push(error);
  const removeDead = async (runId: string) => {
    if (!(await isLive(runId))) await removeTree(layout.run(runId));
  };
  await eachOf(await layout.runs(), removeDead, onFailure);
  await eachOf(await layout.mirrors(), id => cleanMirror(deps, id), onFailure);
  let sizeBytes = await sizeOf(layout.dir);
  const removeOver = async (repositoryId: string) => {
    if (sizeBytes > limits.diskMaxBytes) sizeBytes -= await removeMirror(deps, repositoryId);
  };
  await eachOf(await leastRecentlyUsed(deps), removeOver, onFailure);
  if (failures.length === 0) return;
  const [first] = failures;
  const why = first instanceof Error ? first.message : String(first);
  throw new AggregateError(
    failures,
    `${failures.length} times something was not tidied, first: ${why}`,
  );
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
