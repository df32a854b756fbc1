import type { QueueInfo } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Principal } from '../auth/index.ts';
import type { Database, Executor } from '../platform/database/index.ts';
import { LEASE_TTL_MS } from '../platform/leases/index.ts';
import type { DeadLetter, Queue } from '../platform/queue/index.ts';
import { tables } from './tables.ts';

export const DEAD_LETTERS_SHOWN = 100;
export const WORKERS_SHOWN = 100;

/** How much waits, who works, and what was given up; dead letters of the caller's project only. */
export async function queueOverview(
  deps: { readonly database: Database; readonly queue: Queue },
  principal: Principal,
): Promise<QueueInfo> {
  const { queue, database } = deps;
  const letters = await queue.deadLetters('agent', DEAD_LETTERS_SHOWN);
  return {
    queues: await queue.depth(),
    workers: await workers(database.db),
    dead_letters: await ofProject(database.db, letters, principal.projectId),
  };
}

/** Live processes that take jobs, the busiest first. */
async function workers(executor: Executor): Promise<QueueInfo['workers']> {
  return await tables(executor)
    .selectFrom('replicas')
    .leftJoin('runs', join =>
      join.onRef('runs.replica', '=', 'replicas.id').on('runs.status', '=', 'running'),
    )
    .select(eb => [
      'replicas.id as replica',
      'replicas.revision',
      eb.fn.count<number>('runs.id').as('running'),
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
    .limit(WORKERS_SHOWN)
    .execute();
}

async function ofProject(
  executor: Executor,
  letters: readonly DeadLetter[],
  projectId: string,
): Promise<QueueInfo['dead_letters']> {
  const named = letters.flatMap(letter => letter.data.run_id ?? []);
  if (named.length === 0) return [];
  const rows = await tables(executor)
    .selectFrom('runs')
    .select('id')
    .where('id', 'in', named)
    .where('project_id', '=', projectId)
    .execute();
  const own = new Set(rows.map(row => row.id));
  return letters
    .filter(letter => own.has(letter.data.run_id ?? ''))
    .map(letter => ({
      job_id: letter.jobId,
      run_id: letter.data.run_id ?? null,
      failed_at: letter.failedAt?.toISOString() ?? null,
    }));
}
