import type { BlobStore } from '../../platform/blobs/index.ts';

/** What happens to archives with age. Ages in days; null: never. */
export interface LifecycleRule {
  readonly prefix: string;
  readonly coolAfterDays: number | null;
  readonly archiveAfterDays: number | null;
  readonly deleteAfterDays: number;
}

const KEPT = { coolAfterDays: 30, archiveAfterDays: 90, deleteAfterDays: 365 };

const ARCHIVE_LIFECYCLE: readonly LifecycleRule[] = [
  { prefix: 'workspaces/', ...KEPT },
  { prefix: 'artifacts/', ...KEPT },
  { prefix: 'temp/', coolAfterDays: null, archiveAfterDays: null, deleteAfterDays: 7 },
];

const DAY_MS = 24 * 3600_000;
/** One of our ids: a prefix and a UUIDv7, whose first 48 bits are milliseconds since the epoch. */
const ID = /(?:^|\/)[a-z]{3}_([0-9a-f]{12})7[0-9a-f]{19}(?=[/.]|$)/;

/**
 * When the work that a key belongs to was created, from the id in it; null when there is none. The
 * blob port has no ages and needs none: an id is older than the blobs named after it.
 */
export function createdMs(key: string): number | null {
  const match = ID.exec(key);
  return match ? Number.parseInt(match[1]!, 16) : null;
}

/**
 * Deletes blobs past their days, for stores that do not do so themselves and have no cooler tiers.
 * Keys without an id stay. Returns the number of deleted blobs; throws in the end where some could
 * not be deleted.
 */
export async function enforceLifecycle(
  blobs: BlobStore,
  nowMs: number,
  rules: readonly LifecycleRule[] = ARCHIVE_LIFECYCLE,
): Promise<number> {
  let deleted = 0;
  const failures: unknown[] = [];
  for (const rule of rules) {
    const before = nowMs - rule.deleteAfterDays * DAY_MS;
    for await (const key of blobs.list(rule.prefix)) {
      const created = createdMs(key);
      if (created === null || created > before) continue;
      try {
        if (await blobs.delete(key)) deleted += 1;
      } catch (error) {
        failures.push(error);
      }
    }
  }
  if (failures.length > 0) {
    throw new AggregateError(failures, `${failures.length} archives could not be deleted`);
  }
  return deleted;
}

/** The same as Azure Storage's management policy. */
export function azureLifecyclePolicy(container: string, rules = ARCHIVE_LIFECYCLE) {
  const after = (days: number | null) =>
    days === null ? undefined : { daysAfterModificationGreaterThan: days };
  return {
    rules: rules.map(rule => ({
      enabled: true,
      name: rule.prefix.replace('/', ''),
      type: 'Lifecycle',
      definition: {
        filters: { blobTypes: ['blockBlob'], prefixMatch: [`${container}/${rule.prefix}`] },
        actions: {
          baseBlob: {
            tierToCool: after(rule.coolAfterDays),
            tierToArchive: after(rule.archiveAfterDays),
            delete: after(rule.deleteAfterDays),
          },
        },
      },
    })),
  };
}
