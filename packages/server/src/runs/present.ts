import * as protocol from '@holdfast/protocol';
import type { z } from 'zod';
import type { RunView, TaskView } from './queries.ts';
import type { ArtifactRow, MessageRow, RepositoryRow } from './tables.ts';
import { columnOf } from './tasks/task.ts';

/** Rows as the API shows them. Columns with the names of the schema are taken over unchanged. */

export function presentRepo(row: RepositoryRow): protocol.Repo {
  return pickShown(protocol.repo, { ...row, created_at: row.created_at.toISOString() });
}

export function presentTask(row: TaskView): protocol.Task {
  const { queued, running, succeeded, failed, canceled } = row;
  const runs = { queued, running, succeeded, failed, canceled };
  return pickShown(protocol.task, {
    ...row,
    repo_id: row.repository_id,
    column: columnOf({ override: row.column_override, picked: row.picked_run_id !== null, runs }),
    runs,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  });
}

/** `instruction` is null where the reader may not see it. */
export function presentMessage(
  row: Pick<MessageRow, 'id' | 'task_id' | 'created_by' | 'number' | 'created_at'>,
  instruction: string | null,
): protocol.Message {
  return pickShown(protocol.message, {
    ...row,
    instruction,
    created_at: row.created_at.toISOString(),
  });
}

/** `summary` is null where the reader may not see it. */
export function presentRun(row: RunView, summary: string | null): protocol.Run {
  return pickShown(protocol.run, {
    ...row,
    summary,
    tests: { before: row.test_before, after: row.test_after },
    usage: {
      input_tokens: row.input_tokens,
      output_tokens: row.output_tokens,
      cached_tokens: row.cached_tokens,
      calls: row.model_calls,
    },
    created_at: row.created_at.toISOString(),
    started_at: row.started_at?.toISOString() ?? null,
    finished_at: row.finished_at?.toISOString() ?? null,
  });
}

export function presentArtifact(row: ArtifactRow): protocol.Artifact {
  return pickShown(protocol.artifact, { ...row, created_at: row.created_at.toISOString() });
}

/**
 * Only the fields that the schema names: other columns, sealed ones among them, never reach a
 * response.
 */
function pickShown<S extends z.ZodObject>(schema: S, fields: z.infer<S>): z.infer<S> {
  const names = Object.keys(schema.shape) as (keyof z.infer<S>)[];
  return Object.fromEntries(names.map(name => [name, fields[name]])) as z.infer<S>;
}
