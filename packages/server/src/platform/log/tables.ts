import type { ColumnType, Generated } from 'kysely';
import type { Executor } from '../database/index.ts';

/** The log's view of `subjects`; the lease columns belong to platform/leases. */
interface SubjectsTable {
  id: string;
  kind: string;
  project_id: string;
  created_by: string;
  last_seq: Generated<number>;
  fence: Generated<number>;
  created_at: Generated<Date>;
  erased_at: Date | null;
}

interface EventsTable {
  subject: string;
  seq: number;
  append_id: string;
  ordinal: number;
  type: string;
  v: number;
  actor: string;
  attempt: number | null;
  trace_id: string | null;
  /** Written as JSON text, read parsed. */
  data: ColumnType<Record<string, unknown>, string, never>;
  private_key_id: string | null;
  private_data: Uint8Array | null;
  created_at: Generated<Date>;
}

type LogTables = { subjects: SubjectsTable; events: EventsTable };

export function logTables(executor: Executor) {
  return executor.withTables<LogTables>();
}
