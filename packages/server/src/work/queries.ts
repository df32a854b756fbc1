import type { QueueInfo } from '@holdfast/protocol';
import type { Generated } from 'kysely';
import { sql } from 'kysely';
import type { Executor } from '../platform/database/index.ts';
import { LEASE_TTL_MS } from '../platform/leases/index.ts';

/** This folder's view of `subjects` and `replicas`. */
type Tables = {
  subjects: { id: string; kind: string; project_id: string; lease_replica: string | null };
  replicas: { id: string; revision: string; roles: string; beat_at: Generated<Date> };
};

const tables = (executor: Executor) => executor.withTables<Tables>();

/** A subquery: the ids of all work of a project. */
export function subjectsOf(executor: Executor, projectId: string) {
  return tables(executor).selectFrom('subjects').select('id').where('project_id', '=', projectId);
}

/** Live processes that take jobs, and how much work of these kinds each drives; busiest first. */
export async function liveWorkers(
  executor: Executor,
  { kinds, limit }: { readonly kinds: readonly string[]; readonly limit: number },
): Promise<QueueInfo['workers']> {
  return await tables(executor)
    .selectFrom('replicas')
    .leftJoin('subjects', join =>
      join
        .onRef('subjects.lease_replica', '=', 'replicas.id')
        .on('subjects.kind', '=', sql<string>`any(${[...kinds]}::text[])`),
    )
    .select(eb => [
      'replicas.id as replica',
      'replicas.revision',
      eb.fn.count<number>('subjects.id').as('running'),
      sql<number>`extract(epoch from clock_timestamp() - replicas.beat_at)::float8`.as(
        'since_heartbeat_s',
      ),
    ])
    .where(sql<boolean>`'worker' = any(string_to_array(replicas.roles, ','))`)
    .where(
      'replicas.beat_at',
      '>',
      sql<Date>`clock_timestamp() - ${LEASE_TTL_MS} * interval '1 millisecond'`,
    )
    .groupBy(['replicas.id', 'replicas.revision', 'replicas.beat_at'])
    .orderBy('running', 'desc')
    .orderBy('replicas.id')
    .limit(limit)
    .execute();
}
