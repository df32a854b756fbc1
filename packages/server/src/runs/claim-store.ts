import { sql } from 'kysely';
import type { Trx } from '../platform/database/index.ts';
import { keptOf } from './queries.ts';
import { DURATION_S, type LockedRun } from './store.ts';
import { of, RUN_COLUMNS, type RunRow, tables } from './tables.ts';

/** The statements of a claim. */

/** A run with the columns of message and repository that its worker needs. */
export type ClaimableRow = LockedRun & {
  readonly message_number: number;
  readonly instruction_key_id: string;
  readonly instruction_data: Uint8Array;
  readonly repository_url: string | null;
  readonly repository_path: string | null;
  readonly default_branch: string | null;
  readonly test_command: string | null;
};

/** `lockRun` for a claim; locks nothing of message and repository. */
export async function lockToClaim(trx: Trx, id: string): Promise<ClaimableRow | undefined> {
  return await tables(trx)
    .selectFrom('runs')
    .innerJoin('messages', 'messages.id', 'runs.message_id')
    .innerJoin('repositories', 'repositories.id', 'runs.repository_id')
    .select(of('runs', RUN_COLUMNS))
    .select(DURATION_S.as('duration_s'))
    .select([
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

/** Serialises claims that count the runs at work of one owner or in one repository. */
export async function lockSlots(
  trx: Trx,
  { created_by, repository_id }: Pick<RunRow, 'created_by' | 'repository_id'>,
): Promise<void> {
  await sql`
    select pg_advisory_xact_lock(hashtextextended('run-places:' || ${created_by}::text, 0)),
      pg_advisory_xact_lock(hashtextextended('run-places:' || ${repository_id}::text, 0))
  `.execute(trx);
}

/** Counts the other runs at work, with a lease, of the owner and in the repository of this run. */
export async function countRunningBeside(
  trx: Trx,
  run: Pick<RunRow, 'id' | 'created_by' | 'repository_id'>,
): Promise<{ readonly ofOwner: number; readonly inRepository: number }> {
  const { rows } = await sql<{ of_owner: number; in_repository: number }>`
    select count(*) filter (where runs.created_by = ${run.created_by}) as of_owner,
      count(*) filter (where runs.repository_id = ${run.repository_id}) as in_repository
    from runs
    join subjects on subjects.id = runs.id and subjects.lease_replica is not null
    where runs.status = 'running' and runs.id <> ${run.id}
      and (runs.created_by = ${run.created_by} or runs.repository_id = ${run.repository_id})
  `.execute(trx);
  const [row] = rows;
  return { ofOwner: row?.of_owner ?? 0, inRepository: row?.in_repository ?? 0 };
}

/** Begins the next attempt; answers the row as it is then. */
export async function setRunning(
  trx: Trx,
  id: string,
  { replica, lostAttempts }: { readonly replica: string; readonly lostAttempts: number },
): Promise<RunRow> {
  return await tables(trx)
    .updateTable('runs')
    .set(eb => ({
      status: 'running',
      attempt: eb('attempt', '+', 1),
      lost_attempts: lostAttempts,
      replica,
      requeued_reason: null,
      started_at: sql<Date>`coalesce(started_at, now())`,
    }))
    .where('id', '=', id)
    .returning(RUN_COLUMNS)
    .executeTakeFirstOrThrow();
}

/** The columns that a run needs of the one it continues. */
export type ContinuedRun = Pick<
  RunRow,
  'id' | 'agent' | 'base_commit' | 'head_commit' | 'agent_session_id' | 'checkpoint'
> & { readonly erased: boolean };

export async function findContinued(trx: Trx, id: string): Promise<ContinuedRun | null> {
  const row = await tables(trx)
    .selectFrom('runs')
    .select(['id', 'agent', 'base_commit', 'head_commit', 'agent_session_id', 'checkpoint'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) return null;
  return { ...row, erased: (await keptOf(trx, [id])).size === 0 };
}
