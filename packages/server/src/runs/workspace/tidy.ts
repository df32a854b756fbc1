import { eachOf } from '../../work/index.ts';
import { BareRepository } from './bare-repository.ts';
import { removeTree, sizeOf } from './disk.ts';
import type { Layout } from './layout.ts';
import { Mirror } from './mirror.ts';
import type { Locks } from './mirror-lock.ts';
import { RunObjects } from './run-objects.ts';
import type { KeptRuns, WorkspaceLimits } from './workspace.ts';

interface TidyDeps {
  readonly layout: Layout;
  readonly locks: Locks;
  readonly limits: WorkspaceLimits;
}

type OnFailure = (item: unknown, error: unknown) => void;

/**
 * Removes folders of runs that no worker drives, the objects of erased runs, and then mirrors and
 * objects of ended runs, least recently used first, until the rest fits. What a clone leans on
 * stays. A failure does not hold up the rest; all failures are thrown together in the end.
 */
export async function tidyDisk(deps: TidyDeps, runs: KeptRuns): Promise<void> {
  const { layout, limits } = deps;
  const failures: unknown[] = [];
  const onFailure: OnFailure = (_, error) => failures.push(error);
  const removeDead = async (runId: string) => {
    if (!(await runs.isLive(runId))) await removeTree(layout.run(runId));
  };
  await eachOf(await layout.runs(), removeDead, onFailure);
  const repositories = new Set([...(await layout.mirrors()), ...(await layout.repositories())]);
  await eachOf([...repositories], id => cleanRepository(deps, id, { runs, onFailure }), onFailure);
  await eachOf(await layout.formerMirrors(), id => removeFormer(deps, id), onFailure);
  let sizeBytes = await sizeOf(layout.dir);
  const removeOver = async ({ remove }: Removable) => {
    if (sizeBytes > limits.diskMaxBytes) sizeBytes -= await remove();
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

/** Removes the objects of erased runs, leftovers, and what the mirror keeps for no run. */
async function cleanRepository(
  { layout, limits, locks }: TidyDeps,
  repositoryId: string,
  { runs, onFailure }: { readonly runs: KeptRuns; readonly onFailure: OnFailure },
): Promise<void> {
  await locks.run(layout.lock(repositoryId), async () => {
    const runIds = await layout.runsOn(repositoryId);
    const kept = await runs.keptOf(runIds);
    const inUse = new Set(await layout.runs());
    const mirror = new Mirror(layout.mirror(repositoryId), limits);
    const clean = async (runId: string) => {
      const objects = new RunObjects(layout.objects(repositoryId, runId), limits, mirror);
      if (!kept.has(runId)) return removeTree(objects.dir);
      await objects.sweep();
      if (!inUse.has(runId)) await objects.repack();
    };
    await eachOf(runIds, clean, onFailure);
    if (!(await mirror.exists())) return;
    await mirror.sweep();
    await mirror.keepBasesOf(kept);
    if (!(await layout.pinned()).has(repositoryId)) await mirror.repack();
  });
}

async function removeFormer({ layout, locks }: TidyDeps, repositoryId: string): Promise<void> {
  await locks.run(layout.lock(repositoryId), async () => {
    if ((await layout.formerlyPinned()).has(repositoryId)) return;
    await removeTree(layout.formerMirror(repositoryId));
  });
}

interface Removable {
  readonly usedMs: number;
  /** Returns the bytes that became free. */
  remove(): Promise<number>;
}

async function leastRecentlyUsed(deps: TidyDeps): Promise<Removable[]> {
  const { layout, limits } = deps;
  const all: Removable[] = [];
  // Checked under the lock: a new clone pins under it, too.
  for (const id of await layout.mirrors()) {
    const mirror = new BareRepository(layout.mirror(id), limits);
    const isPinned = async () => (await layout.pinned()).has(id);
    const remove = () => removeUnless(isPinned, deps, { repositoryId: id, folder: mirror.dir });
    all.push({ usedMs: await mirror.usedMs(), remove });
  }
  for (const repositoryId of await layout.repositories()) {
    for (const runId of await layout.runsOn(repositoryId)) {
      const objects = new BareRepository(layout.objects(repositoryId, runId), limits);
      const isPinned = async () => (await layout.runs()).includes(runId);
      const remove = () => removeUnless(isPinned, deps, { repositoryId, folder: objects.dir });
      all.push({ usedMs: await objects.usedMs(), remove });
    }
  }
  return all.toSorted((a, b) => a.usedMs - b.usedMs);
}

async function removeUnless(
  isPinned: () => Promise<boolean>,
  { layout, locks }: TidyDeps,
  { repositoryId, folder }: { readonly repositoryId: string; readonly folder: string },
): Promise<number> {
  return locks.run(layout.lock(repositoryId), async () => {
    if (await isPinned()) return 0;
    const sizeBytes = await sizeOf(folder);
    await removeTree(folder);
    return sizeBytes;
  });
}
