import { type Generated, type RawBuilder, sql } from 'kysely';
import type { Executor } from '../database/index.ts';

/** The leases' view of `subjects`; the rest of the row belongs to platform/log. */
interface LeasedSubjectsTable {
  id: string;
  kind: string;
  fence: number;
  lease_replica: string | null;
  leased_at: Date | null;
  erased_at: Date | null;
}

interface ReplicasTable {
  id: string;
  revision: string;
  roles: string;
  address: string | null;
  started_at: Date;
  beat_at: Date;
  created_at: Generated<Date>;
}

type LeaseTables = { subjects: LeasedSubjectsTable; replicas: ReplicasTable };

export function leaseTables(executor: Executor) {
  return executor.withTables<LeaseTables>();
}

/** Whether that replica has beaten within `ttlMs`, by the database's clock. */
export function replicaLives(replica: RawBuilder<unknown>, ttlMs: number) {
  return sql<boolean>`exists (
    select from replicas where replicas.id = ${replica} and replicas.beat_at > ${before(ttlMs)})`;
}

/** `replicaLives` of the one that holds the subject. */
export function holderLives(ttlMs: number) {
  return replicaLives(sql.ref('subjects.lease_replica'), ttlMs);
}

/** The database's time `ms` ago. Not `now()`, which stands still within a transaction. */
export function before(ms: number) {
  return sql<Date>`clock_timestamp() - ${sql.lit(ms)} * interval '1 millisecond'`;
}
