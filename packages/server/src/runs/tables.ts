import type { ChangedFile, RunReason, RunStatus } from '@holdfast/protocol';
import type { ColumnType, Generated, Selectable } from 'kysely';
import type { Executor } from '../platform/database/index.ts';
import type { ChosenColumn } from './tasks/task.ts';

/** Written as JSON text, read parsed. */
type Json<T> = ColumnType<T, string | null | undefined, string | null>;

export interface RepositoriesTable {
  id: string;
  project_id: string;
  created_by: string;
  name: string;
  url: string | null;
  path: string | null;
  default_branch: string | null;
  test_command: string | null;
  created_at: Generated<Date>;
  archived_at: Date | null;
}
export type RepositoryRow = Selectable<RepositoriesTable>;

export interface TasksTable {
  id: string;
  project_id: string;
  repository_id: string;
  created_by: string;
  title: string;
  column_override: ChosenColumn | null;
  picked_run_id: string | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}
export type TaskRow = Selectable<TasksTable>;

export interface MessagesTable {
  id: string;
  task_id: string;
  project_id: string;
  created_by: string;
  number: number;
  instruction_key_id: string;
  instruction_data: Uint8Array;
  for_running: Generated<boolean>;
  created_at: Generated<Date>;
}
export type MessageRow = Selectable<MessagesTable>;

/** The newest checkpoint of a run. `manifest_key` names the manifest's blob. */
export interface StoredCheckpoint {
  readonly number: number;
  readonly commit: string;
  readonly manifest_key: string;
  readonly agent_session_id: string | null;
}

export interface StoredTest {
  readonly exit_code: number | null;
  readonly duration_s: number;
}

export interface RunsTable {
  id: string;
  project_id: string;
  task_id: string;
  message_id: string;
  repository_id: string;
  created_by: string;
  agent: string;
  model: string | null;
  status: RunStatus;
  reason: RunReason | null;
  attempt: Generated<number>;
  lost_attempts: Generated<number>;
  isolated: boolean | null;
  base_ref: string | null;
  base_commit: string | null;
  head_commit: string | null;
  branch: string | null;
  files_changed: Json<ChangedFile[]>;
  insertions: Generated<number>;
  deletions: Generated<number>;
  test_before: Json<StoredTest | null>;
  test_after: Json<StoredTest | null>;
  input_tokens: Generated<number>;
  output_tokens: Generated<number>;
  cached_tokens: Generated<number>;
  model_calls: Generated<number>;
  cost_usd: number | null;
  summary_key_id: string | null;
  summary_data: Uint8Array | null;
  checkpoint: Json<StoredCheckpoint | null>;
  agent_session_id: string | null;
  retry_of: string | null;
  continues: string | null;
  replica: string | null;
  requeued_reason: string | null;
  cancel_requested_at: Date | null;
  created_at: Generated<Date>;
  started_at: Date | null;
  finished_at: Date | null;
}
export type RunRow = Selectable<RunsTable>;

export interface ArtifactsTable {
  id: string;
  run_id: string;
  kind: 'patch' | 'log' | 'checkpoint';
  blob_key: string;
  content_type: string;
  size_bytes: number;
  sha256: string;
  created_at: Generated<Date>;
  expires_at: Date | null;
}
export type ArtifactRow = Selectable<ArtifactsTable>;

/**
 * All columns of a table, each of them. Statements that are run often name them, so that they can
 * stay prepared while a migration adds a column.
 */
function columnsOf<T>() {
  return <const C extends readonly (keyof T & string)[]>(
    columns: [Exclude<keyof T, C[number]>] extends [never] ? C : never,
  ): C => columns;
}

export const RUN_COLUMNS = columnsOf<RunsTable>()([
  'id',
  'project_id',
  'task_id',
  'message_id',
  'repository_id',
  'created_by',
  'agent',
  'model',
  'status',
  'reason',
  'attempt',
  'lost_attempts',
  'isolated',
  'base_ref',
  'base_commit',
  'head_commit',
  'branch',
  'files_changed',
  'insertions',
  'deletions',
  'test_before',
  'test_after',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'model_calls',
  'cost_usd',
  'summary_key_id',
  'summary_data',
  'checkpoint',
  'agent_session_id',
  'retry_of',
  'continues',
  'replica',
  'requeued_reason',
  'cancel_requested_at',
  'created_at',
  'started_at',
  'finished_at',
]);

export const TASK_COLUMNS = columnsOf<TasksTable>()([
  'id',
  'project_id',
  'repository_id',
  'created_by',
  'title',
  'column_override',
  'picked_run_id',
  'created_at',
  'updated_at',
]);

export const MESSAGE_COLUMNS = columnsOf<MessagesTable>()([
  'id',
  'task_id',
  'project_id',
  'created_by',
  'number',
  'instruction_key_id',
  'instruction_data',
  'for_running',
  'created_at',
]);

export const REPOSITORY_COLUMNS = columnsOf<RepositoriesTable>()([
  'id',
  'project_id',
  'created_by',
  'name',
  'url',
  'path',
  'default_branch',
  'test_command',
  'created_at',
  'archived_at',
]);

/** With the table's name before them, for joins. */
export function of<T extends string, C extends readonly string[]>(table: T, columns: C) {
  return columns.map(column => `${table}.${column}` as `${T}.${C[number]}`);
}

/** What the leases and the log know of a run; the rest of the row is theirs. */
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
  repositories: RepositoriesTable;
  tasks: TasksTable;
  messages: MessagesTable;
  runs: RunsTable;
  artifacts: ArtifactsTable;
  subjects: SubjectsView;
  replicas: ReplicasView;
};

/** This feature's view of the database. */
export function tables(executor: Executor) {
  return executor.withTables<Tables>();
}
