import type { ChangedFile, RunReason, RunStatus } from '@holdfast/protocol';
import type { ColumnType, Generated, Selectable, Updateable } from 'kysely';
import type { Executor } from '../platform/database/index.ts';
import type { ChosenColumn } from './tasks/task.ts';

/**
 * The tables of this feature. A column is described here once: its type, its place among the
 * columns that statements name, and whether it is written as JSON come from this one line.
 */
interface Column<T> {
  readonly isJson: boolean;
  /** Never set; carries the type. */
  readonly type?: T;
}

const column = <T>(): Column<T> => ({ isJson: false });
/** Written as JSON text, read parsed. */
const json = <T>(): Column<ColumnType<T, string | null | undefined, string | null>> => ({
  isJson: true,
});

type TableOf<D> = { [K in keyof D]: D[K] extends Column<infer T> ? T : never };

const REPOSITORIES = {
  id: column<string>(),
  project_id: column<string>(),
  created_by: column<string>(),
  name: column<string>(),
  url: column<string | null>(),
  path: column<string | null>(),
  default_branch: column<string | null>(),
  test_command: column<string | null>(),
  allow_ci_changes: column<Generated<boolean>>(),
  created_at: column<Generated<Date>>(),
  archived_at: column<Date | null>(),
};
export type RepositoryRow = Selectable<TableOf<typeof REPOSITORIES>>;

const TASKS = {
  id: column<string>(),
  project_id: column<string>(),
  repository_id: column<string>(),
  created_by: column<string>(),
  title: column<string>(),
  column_override: column<ChosenColumn | null>(),
  picked_run_id: column<string | null>(),
  created_at: column<Generated<Date>>(),
  updated_at: column<Generated<Date>>(),
};
export type TaskRow = Selectable<TableOf<typeof TASKS>>;

const MESSAGES = {
  id: column<string>(),
  task_id: column<string>(),
  project_id: column<string>(),
  created_by: column<string>(),
  number: column<number>(),
  instruction_key_id: column<string>(),
  instruction_data: column<Uint8Array>(),
  for_running: column<Generated<boolean>>(),
  created_at: column<Generated<Date>>(),
};
export type MessageRow = Selectable<TableOf<typeof MESSAGES>>;

/** The newest checkpoint of a run: its number, and the blob of its manifest. */
interface CheckpointRef {
  readonly number: number;
  readonly manifest_key: string;
}

export interface TestResult {
  /** Null: the command did not end in time. */
  readonly exit_code: number | null;
  readonly duration_s: number;
}

const RUNS = {
  id: column<string>(),
  project_id: column<string>(),
  task_id: column<string>(),
  message_id: column<string>(),
  repository_id: column<string>(),
  created_by: column<string>(),
  agent: column<string>(),
  model: column<string | null>(),
  status: column<RunStatus>(),
  reason: column<RunReason | null>(),
  attempt: column<Generated<number>>(),
  lost_attempts: column<Generated<number>>(),
  isolated: column<boolean | null>(),
  base_ref: column<string | null>(),
  base_commit: column<string | null>(),
  head_commit: column<string | null>(),
  branch: column<string | null>(),
  files_changed: json<ChangedFile[]>(),
  insertions: column<Generated<number>>(),
  deletions: column<Generated<number>>(),
  test_before: json<TestResult | null>(),
  test_after: json<TestResult | null>(),
  input_tokens: column<Generated<number>>(),
  output_tokens: column<Generated<number>>(),
  cached_tokens: column<Generated<number>>(),
  model_calls: column<Generated<number>>(),
  cost_usd: column<number | null>(),
  summary_key_id: column<string | null>(),
  summary_data: column<Uint8Array | null>(),
  checkpoint: json<CheckpointRef | null>(),
  agent_session_id: column<string | null>(),
  retry_of: column<string | null>(),
  continues: column<string | null>(),
  replica: column<string | null>(),
  requeued_reason: column<string | null>(),
  cancel_requested_at: column<Date | null>(),
  created_at: column<Generated<Date>>(),
  started_at: column<Date | null>(),
  finished_at: column<Date | null>(),
};
type RunsTable = TableOf<typeof RUNS>;
export type RunRow = Selectable<RunsTable>;

const ARTIFACTS = {
  id: column<string>(),
  run_id: column<string>(),
  kind: column<'patch' | 'log' | 'checkpoint'>(),
  blob_key: column<string>(),
  content_type: column<string>(),
  size_bytes: column<number>(),
  sha256: column<string>(),
  created_at: column<Generated<Date>>(),
  expires_at: column<Date | null>(),
};
export type ArtifactRow = Selectable<TableOf<typeof ARTIFACTS>>;

/**
 * All columns of a table. Statements that are run often name them, so that they can stay prepared
 * while a migration adds a column.
 */
const columnsOf = <D extends object>(table: D) => Object.keys(table) as (keyof D & string)[];

export const REPOSITORY_COLUMNS = columnsOf(REPOSITORIES);
export const TASK_COLUMNS = columnsOf(TASKS);
export const MESSAGE_COLUMNS = columnsOf(MESSAGES);
export const RUN_COLUMNS = columnsOf(RUNS);

/** With the table's name before them, for joins. */
export function of<T extends string, C extends string>(table: T, columns: readonly C[]) {
  return columns.map(column => `${table}.${column}` as const);
}

/** Values of a run's columns as they are written. */
export function runValues(values: Partial<RunRow>): Updateable<RunsTable> {
  const written = Object.entries(values).map(([name, value]) => {
    const { isJson } = RUNS[name as keyof typeof RUNS];
    return [name, isJson && value !== null ? JSON.stringify(value) : value];
  });
  return Object.fromEntries(written);
}

/** The columns that leases and log keep about a run; they own the rest of the row. */
interface SubjectsView {
  id: string;
  last_seq: number;
  lease_replica: string | null;
}

interface ReplicasView {
  id: string;
  revision: string;
  roles: string;
  beat_at: Date;
}

type Tables = {
  repositories: TableOf<typeof REPOSITORIES>;
  tasks: TableOf<typeof TASKS>;
  messages: TableOf<typeof MESSAGES>;
  runs: RunsTable;
  artifacts: TableOf<typeof ARTIFACTS>;
  subjects: SubjectsView;
  replicas: ReplicasView;
};

/** This feature's view of the database. */
export function tables(executor: Executor) {
  return executor.withTables<Tables>();
}
