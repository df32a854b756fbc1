import { sql } from 'kysely';
import type { Executor } from '../database/index.ts';
import type { DeadLetter, DeadLetterQuery, QueueDepth } from './queue.ts';

/**
 * Reads of pg-boss's table: its own figures are cached for a minute, and its lists have no bound.
 * `queues` maps each queue to the names its jobs are stored under.
 */
export async function countJobs(
  executor: Executor,
  queues: ReadonlyMap<string, readonly string[]>,
  deadOf: (name: string) => string,
): Promise<QueueDepth[]> {
  if (queues.size === 0) return [];
  const names = [...queues.values()].flat().flatMap(name => [name, deadOf(name)]);
  const { rows } = await sql<{ name: string; queued: number; active: number }>`
    select name,
      count(*) filter (where state in ('created', 'retry')) as queued,
      count(*) filter (where state = 'active') as active
    from pgboss.job
    where name = any(${names}::text[]) and state in ('created', 'retry', 'active')
    group by name`.execute(executor);
  const sum = (of: readonly string[], state: 'queued' | 'active') =>
    rows.reduce((total, row) => total + (of.includes(row.name) ? row[state] : 0), 0);
  return [...queues].map(([name, stored]) => ({
    name,
    queued: sum(stored, 'queued'),
    active: sum(stored, 'active'),
    dead: sum(stored.map(deadOf), 'queued'),
  }));
}

export async function listDead(
  executor: Executor,
  queues: readonly string[],
  { limit, jobId, naming }: DeadLetterQuery,
): Promise<DeadLetter[]> {
  const isWanted = jobId === undefined ? sql`true` : sql`id = ${jobId}`;
  const isNamed =
    naming === undefined ? sql`true` : sql`data->>${naming.key}::text in (${naming.among})`;
  const { rows } = await sql<{ id: string; data: Record<string, string>; created_on: Date }>`
    select id, data, created_on from pgboss.job
    where name = any(${[...queues]}::text[]) and state in ('created', 'retry')
      and ${isWanted} and ${isNamed}
    order by created_on desc, id limit ${limit}`.execute(executor);
  return rows.map(row => ({ jobId: row.id, data: row.data ?? {}, failedAt: row.created_on }));
}
