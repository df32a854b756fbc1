import { sql } from 'kysely';
import type { Trx } from '../platform/database/index.ts';
import { DURATION_S } from './store.ts';
import { of, type RunRow } from './tables.ts';

/** What a claim reads and writes of runs. */

/** What a worker and the rules of a claim must know of a run. */
const CLAIMED_COLUMNS = [
  'id',
  'project_id',
  'task_id',
  'message_id',
  'repository_id',
  'created_by',
  'agent',
  'model',
  'status',
  'attempt',
  'lost_attempts',
  'base_ref',
  'base_commit',
  'test_before',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'model_calls',
  'cost_usd',
  'checkpoint',
  'agent_session_id',
  'continues',
  'requeued_reason',
  'cancel_requested_at',
  'created_at',
  'started_at',
] as const;
const CLAIMED = sql.raw(of('runs', CLAIMED_COLUMNS).join(', '));

export type ClaimedRow = Pick<RunRow, (typeof CLAIMED_COLUMNS)[number]>;

/** A run with what its worker must know of message and repository. */
export type OrderedRunRow = ClaimedRow & {
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
  const { rows } = await sql<OrderedRunRow>`
    select ${CLAIMED}, ${DURATION_S} as duration_s,
      messages.number as message_number, messages.instruction_key_id, messages.instruction_data,
      repositories.url as repository_url, repositories.path as repository_path,
      repositories.default_branch, repositories.test_command
    from runs
    join messages on messages.id = runs.message_id
    join repositories on repositories.id = runs.repository_id
    where runs.id = ${id}
    for no key update of runs`.execute(trx);
  return rows[0];
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
  { replica, lostAttempts }: { replica: string; lostAttempts: number },
): Promise<Pick<RunRow, 'attempt' | 'started_at'>> {
  const { rows } = await sql<Pick<RunRow, 'attempt' | 'started_at'>>`
    update runs set status = 'running', attempt = attempt + 1, lost_attempts = ${lostAttempts},
      replica = ${replica}, requeued_reason = null, started_at = coalesce(started_at, now())
    where id = ${id}
    returning attempt, started_at`.execute(trx);
  return rows[0]!;
}
