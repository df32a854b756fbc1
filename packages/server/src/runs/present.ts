import type { Artifact, Message, Repo, Run, Task } from '@holdfast/protocol';
import type { RunView, TaskView } from './queries.ts';
import type { ArtifactRow, MessageRow, RepositoryRow } from './tables.ts';
import { columnOf } from './tasks/task.ts';

const iso = (date: Date | null) => date?.toISOString() ?? null;

export function presentRepo(row: RepositoryRow): Repo {
  return {
    id: row.id,
    project_id: row.project_id,
    created_by: row.created_by,
    name: row.name,
    url: row.url,
    path: row.path,
    default_branch: row.default_branch,
    test_command: row.test_command,
    created_at: row.created_at.toISOString(),
  };
}

export function presentTask(row: TaskView): Task {
  const { queued, running, succeeded, failed, canceled } = row;
  const runs = { queued, running, succeeded, failed, canceled };
  return {
    id: row.id,
    project_id: row.project_id,
    repo_id: row.repository_id,
    created_by: row.created_by,
    title: row.title,
    column: columnOf({ override: row.column_override, picked: row.picked_run_id !== null, runs }),
    runs,
    picked_run_id: row.picked_run_id,
    cost_usd: row.cost_usd,
    cost_is_upper_bound: row.cost_is_upper_bound,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

export function presentMessage(
  row: Pick<MessageRow, 'id' | 'task_id' | 'created_by' | 'number' | 'created_at'>,
  instruction: string | null,
): Message {
  return {
    id: row.id,
    task_id: row.task_id,
    created_by: row.created_by,
    number: row.number,
    instruction,
    created_at: row.created_at.toISOString(),
  };
}

/** `summary` is null where the reader may not see it. */
export function presentRun(row: RunView, summary: string | null): Run {
  return {
    id: row.id,
    project_id: row.project_id,
    task_id: row.task_id,
    message_id: row.message_id,
    created_by: row.created_by,
    agent: row.agent,
    model: row.model,
    status: row.status,
    reason: row.reason,
    attempt: row.attempt,
    isolated: row.isolated,
    summary,
    base_ref: row.base_ref,
    base_commit: row.base_commit,
    head_commit: row.head_commit,
    branch: row.branch,
    files_changed: row.files_changed,
    insertions: row.insertions,
    deletions: row.deletions,
    tests: { before: row.test_before, after: row.test_after },
    usage: presentUsage(row),
    cost_usd: row.cost_usd,
    cost_is_upper_bound: row.cost_is_upper_bound,
    retry_of: row.retry_of,
    continues: row.continues,
    picked: row.picked,
    replica: row.replica,
    created_at: row.created_at.toISOString(),
    started_at: iso(row.started_at),
    finished_at: iso(row.finished_at),
    duration_s: row.duration_s,
    last_seq: row.last_seq,
  };
}

function presentUsage(row: RunView): Run['usage'] {
  return {
    input_tokens: row.input_tokens,
    output_tokens: row.output_tokens,
    cached_tokens: row.cached_tokens,
    calls: row.model_calls,
  };
}

export function presentArtifact(row: ArtifactRow): Artifact {
  return {
    id: row.id,
    run_id: row.run_id,
    kind: row.kind,
    content_type: row.content_type,
    size_bytes: row.size_bytes,
    sha256: row.sha256,
    created_at: row.created_at.toISOString(),
  };
}
