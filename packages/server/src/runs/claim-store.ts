import { sql } from 'kysely';
import type { Trx } from '../platform/database/index.ts';
import { durationS } from './store.ts';
import { of, RUN_COLUMNS, type RunRow, tables } from './tables.ts';

/** What a claim reads and writes of runs. */

/** A run with what its worker must know of message and repository. */
export type OrderedRunRow = RunRow & {
  readonly duration_s: number;
  readonly message_number: number;
  readonly instruction_key_id: string;
  readonly instruction_data: Uint8Array;
  readonly repository_url: string | null;
  readonly repository_path: string | null;
  readonly default_branch: string | null;
  readonly test_command: string | null;
};

/** `lockRun` for a claim; locks nothing of message and repository. */
export async function lockOrderedRun(trx: Trx, id: string): Promise<OrderedRunRow | undefined> {
  return await tables(trx)
    .selectFrom('runs')
    .innerJoin('messages', 'messages.id', 'runs.message_id')
    .innerJoin('repositories', 'repositories.id', 'runs.repository_id')
    .select(of('runs', RUN_COLUMNS))
    .select([
      durationS,
      'messages.number as message_number',
      'messages.instruction_key_id',
      'messages.instruction_data',
      'repositories.url as repository_url',
      'repositories.path as repository_path',
      'repositories.default_branch',
      'repositories.test_command',
    ])
    .where('runs.id', '=', id)
    .forNoKeyUpdate('runs')
    .executeTakeFirst();
}

/** `lockPlaces` of whom and of what a run belongs to, from its id alone: for claims. */
export async function lockPlacesOf(trx: Trx, id: string): Promise<void> {
  await sql`
    select pg_advisory_xact_lock(hashtextextended('run-places:' || created_by, 0)),
      pg_advisory_xact_lock(hashtextextended('run-places:' || repository_id, 0))
    from runs where id = ${id}`.execute(trx);
}

/** Runs under way whose worker lives, of the owner and in the repository of this run, but it. */
export async function countRunningBeside(
  trx: Trx,
  id: string,
): Promise<{ ofOwner: number; inRepository: number }> {
  const { rows } = await sql<{ of_owner: number; in_repository: number }>`
    select count(*) filter (where runs.created_by = this.created_by) as of_owner,
      count(*) filter (where runs.repository_id = this.repository_id) as in_repository
    from runs as this
    join runs on runs.status = 'running' and runs.id <> this.id
      and (runs.created_by = this.created_by or runs.repository_id = this.repository_id)
    join subjects on subjects.id = runs.id and subjects.lease_replica is not null
    where this.id = ${id}`.execute(trx);
  const [row] = rows;
  return { ofOwner: row?.of_owner ?? 0, inRepository: row?.in_repository ?? 0 };
}

export async function setRunning(
  trx: Trx,
  id: string,
  attempt: { replica: string; lostAttempts: number },
): Promise<Pick<RunRow, 'attempt' | 'started_at'>> {
  return await tables(trx)
    .updateTable('runs')
    .set(row => ({
      status: 'running' as const,
      attempt: row('attempt', '+', 1),
      lost_attempts: attempt.lostAttempts,
      replica: attempt.replica,
      requeued_reason: null,
      started_at: sql<Date>`coalesce(started_at, now())`,
    }))
    .where('id', '=', id)
    .returning(['attempt', 'started_at'])
    .executeTakeFirstOrThrow();
}
