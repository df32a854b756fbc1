import { sql } from 'kysely';
import type { Executor } from '../database/index.ts';
import {
  type DeadLetter,
  type DeadLetterQuery,
  QUEUES,
  type QueueDepth,
  type QueueName,
} from './queue.ts';

/**
 * Reads of pg-boss's table: its own figures are cached for a minute, and its lists have no bound.
 */
export async function countJobs(
  executor: Executor,
  deadOf: (queue: QueueName) => string,
): Promise<QueueDepth[]> {
  const names = QUEUES.flatMap(name => [name, deadOf(name)]);
  const { rows } = await sql<{ name: string; queued: number; active: number }>`
    select name,
      count(*) filter (where state in ('created', 'retry')) as queued,
      count(*) filter (where state = 'active') as active
    from pgboss.job
    where name = any(${names}::text[]) and state in ('created', 'retry', 'active')
    group by name`.execute(executor);
  const byName = new Map(rows.map(row => [row.name, row]));
  return QUEUES.map(name => ({
    name,
    queued: byName.get(name)?.queued ?? 0,
    active: byName.get(name)?.active ?? 0,
    dead: byName.get(deadOf(name))?.queued ?? 0,
  }));
}

export async function listDead(
  executor: Executor,
  queue: string,
  { limit, jobId, naming }: DeadLetterQuery,
): Promise<DeadLetter[]> {
  const isMeant = jobId === undefined ? sql`true` : sql`id = ${jobId}`;
  const isNamed =
    naming === undefined ? sql`true` : sql`data->>${naming.key}::text in (${naming.among})`;
  const { rows } = await sql<{ id: string; data: Record<string, string>; created_on: Date }>`
    select id, data, created_on from pgboss.job
    where name = ${queue} and state in ('created', 'retry') and ${isMeant} and ${isNamed}
    order by created_on desc, id limit ${limit}`.execute(executor);
  return rows.map(row => ({ jobId: row.id, data: row.data ?? {}, failedAt: row.created_on }));
}
