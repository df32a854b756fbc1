import { sql } from 'kysely';
import { type Clock, HoldfastError, newId, systemClock } from '../../kernel/index.ts';
import type { Database, Executor, Trx } from '../database/index.ts';
import type { Telemetry } from '../telemetry/index.ts';
import { Heartbeat } from './heartbeat.ts';
import { LEASE_TTL_MS, type Lease, type Leases } from './leases.ts';
import { before, holderLives, leaseTables, replicaLives } from './tables.ts';

export interface LeasesOptions {
  readonly database: Database;
  /** Shown in the replica's row. */
  readonly revision: string;
  readonly roles: readonly string[];
  /** Where siblings reach this process; for display. */
  readonly address?: string;
  /** Default: a new `rep_…` id. */
  readonly replica?: string;
  readonly clock?: Clock;
  /** Of the same database; where given, leases outlast a busy main loop (`LoopGuard`). */
  readonly url?: string;
  /** Default: `LOOP_STUCK_MS`. */
  readonly loopStuckMs?: number;
  readonly telemetry?: Pick<Telemetry, 'log' | 'meter'>;
}

export function createLeases(options: LeasesOptions): Leases {
  const replica = options.replica ?? newId('rep');
  const heartbeat = new Heartbeat({
    ...options,
    replica,
    clock: options.clock ?? systemClock,
  });
  return {
    replica,
    start: () => heartbeat.start(),
    stop: () => heartbeat.stop(),
    sinceHeartbeatMs: () => heartbeat.sinceMs(),
    async acquire(trx, subject) {
      if (!heartbeat.started) throw new Error('Leases must be started before the first is taken.');
      return acquire(trx, replica, subject);
    },
    release,
    held: (executor, subjects) => held(executor, replica, subjects),
    expired,
  };
}

/**
 * Two statements on purpose: one that waited for the row lock would see the replicas as they were
 * before it waited, and could take the lease of a replica that started meanwhile.
 */
async function acquire(trx: Trx, replica: string, subject: string): Promise<Lease | null> {
  const locking = leaseTables(trx)
    .selectFrom('subjects')
    .select('erased_at')
    .where('id', '=', subject)
    .forUpdate()
    .executeTakeFirst();
  const taking = take(trx, replica, subject);
  const [row, taken] = await Promise.all([locking, taking]);
  if (row === undefined) throw new HoldfastError('not_found', 'There is no such piece of work.');
  if (row.erased_at !== null) throw new HoldfastError('gone', 'This piece of work was erased.');
  if (taken !== undefined) return { subject, replica, fence: taken.fence };
  await assertAlive(trx, replica);
  return null;
}

async function take(
  trx: Trx,
  replica: string,
  subject: string,
): Promise<{ fence: number } | undefined> {
  const { rows } = await sql<{ fence: number }>`
    update subjects set fence = fence + 1, lease_replica = ${replica}, leased_at = clock_timestamp()
    where id = ${subject} and erased_at is null
      and (lease_replica is null or not ${holderLives(LEASE_TTL_MS)})
      and ${replicaLives(sql`${replica}`, LEASE_TTL_MS)}
    returning fence`.execute(trx);
  return rows[0];
}

/** A replica that the others consider dead must not take leases: they would be free at once. */
async function assertAlive(trx: Trx, replica: string): Promise<void> {
  const alive = await leaseTables(trx)
    .selectFrom('replicas')
    .select('id')
    .where('id', '=', replica)
    .where('beat_at', '>', before(LEASE_TTL_MS))
    .executeTakeFirst();
  if (alive !== undefined) return;
  throw new HoldfastError(
    'unavailable',
    'This replica has not renewed its heartbeat for too long.',
  );
}

async function release(executor: Executor, lease: Lease): Promise<void> {
  await leaseTables(executor)
    .updateTable('subjects')
    .set({ lease_replica: null, leased_at: null })
    .where('id', '=', lease.subject)
    .where('lease_replica', '=', lease.replica)
    .where('fence', '=', lease.fence)
    .execute();
}

/** Whether nobody has taken the lease since; nobody does before the transaction ends. */
export async function isHeld(trx: Trx, lease: Lease): Promise<boolean> {
  const row = await leaseTables(trx)
    .selectFrom('subjects')
    .select('id')
    .where('id', '=', lease.subject)
    .where('fence', '=', lease.fence)
    .forShare()
    .executeTakeFirst();
  return row !== undefined;
}

async function held(
  executor: Executor,
  replica: string,
  subjects: readonly string[],
): Promise<Lease[]> {
  const rows = await leaseTables(executor)
    .selectFrom('subjects')
    .select(['id', 'fence'])
    .where('id', '=', sql<string>`any(${[...subjects]}::text[])`)
    .where('lease_replica', '=', replica)
    .execute();
  return rows.map(({ id, fence }) => ({ subject: id, replica, fence }));
}

async function expired(executor: Executor, kind: string, limit: number): Promise<string[]> {
  const rows = await leaseTables(executor)
    .selectFrom('subjects')
    .select('id')
    .where('kind', '=', kind)
    .where('lease_replica', 'is not', null)
    .where('erased_at', 'is', null)
    .where(eb => eb.not(holderLives(LEASE_TTL_MS)))
    .orderBy('leased_at')
    .limit(limit)
    .execute();
  return rows.map(row => row.id);
}
