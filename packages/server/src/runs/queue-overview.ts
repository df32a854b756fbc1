import type { QueueInfo } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { Principal } from '../auth/index.ts';
import type { Database, Executor } from '../platform/database/index.ts';
import { LEASE_TTL_MS } from '../platform/leases/index.ts';
import { type DeadLetter, QUEUES, type Queue, type QueueName } from '../platform/queue/index.ts';
import { tables } from './tables.ts';

export const DEAD_LETTERS_SHOWN = 100;
export const WORKERS_SHOWN = 100;

/** Where a job says which run it is about. */
const RUN_NAMED_BY: Readonly<Record<QueueName, string>> = {
  agent: 'run_id',
  polling: 'push_run_id',
};
const REDRIVE_BATCH = 1_000;
const REDRIVE_ROUNDS_MAX = 100;

interface QueueDeps {
  readonly database: Database;
  readonly queue: Queue;
}

/** How much waits, who works, and what was given up; dead letters of the caller's project only. */
export async function queueOverview(deps: QueueDeps, principal: Principal): Promise<QueueInfo> {
  const { projectId } = principal;
  const letters = await lettersOf(deps, 'agent', { projectId, limit: DEAD_LETTERS_SHOWN });
  return {
    queues: await deps.queue.depth(),
    workers: await workers(deps.database.db),
    dead_letters: letters.map(letter => ({
      job_id: letter.jobId,
      run_id: letter.data.run_id ?? null,
      failed_at: letter.failedAt?.toISOString() ?? null,
    })),
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

/** Dead letters about runs of one project, newest first. */
async function lettersOf(
  { queue, database }: QueueDeps,
  name: QueueName,
  query: {
    readonly projectId: string;
    readonly limit: number;
    readonly jobId?: string | undefined;
  },
): Promise<DeadLetter[]> {
  const { projectId, limit, jobId } = query;
  const runs = tables(database.db).selectFrom('runs').select('id');
  const among = runs.where('project_id', '=', projectId);
  return queue.deadLetters(name, { limit, jobId, naming: { key: RUN_NAMED_BY[name], among } });
}

/**
 * Puts dead letters of one project back, all of them without `jobId`; answers how many. Of other
 * projects' none, whoever asks: there is no telling them from ones that are not there.
 */
export async function redriveLetters(
  deps: QueueDeps,
  projectId: string,
  jobId: string | undefined,
): Promise<number> {
  let moved = 0;
  for (const name of QUEUES) {
    for (let round = 0; round < REDRIVE_ROUNDS_MAX; round += 1) {
      const letters = await lettersOf(deps, name, { projectId, jobId, limit: REDRIVE_BATCH });
      const ids = letters.map(letter => letter.jobId);
      moved += await deps.queue.redrive(name, ids);
      if (ids.length < REDRIVE_BATCH) break;
    }
  }
  return moved;
}
