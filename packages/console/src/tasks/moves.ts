import type { TaskPatch } from '@holdfast/client';
import type { Me, Task, TaskColumn } from '@holdfast/protocol';
import { COLUMNS } from './run-states.ts';

/** Whether the reader may change a task, its runs or a repository, by the server's rule. */
export function mayControl(me: Me | undefined, thing: Pick<Task, 'created_by'>): boolean {
  return me?.role === 'Admin' || (me?.role === 'Developer' && me.id === thing.created_by);
}

export interface Move {
  readonly to: TaskColumn;
  /** The column to set; null: from now on the column follows from the runs. */
  readonly column: NonNullable<TaskPatch['column']> | null;
}

/** The columns that a person may choose; the others follow from the runs. */
const CHOSEN = ['backlog', 'todo', 'done', 'archived'] as const;

/** The column of a task for which none was chosen. */
export function columnByRuns({ runs, picked_run_id }: Task): TaskColumn {
  if (runs.queued + runs.running > 0) return 'in_progress';
  if (picked_run_id !== null) return 'done';
  return runs.succeeded + runs.failed + runs.canceled > 0 ? 'in_review' : 'todo';
}

/**
 * The columns that a task can move to, in the order of the board. A task with unfinished runs can
 * only be archived and brought back.
 */
export function movesOf(task: Task): Move[] {
  const byRuns = columnByRuns(task);
  const chosen = byRuns === 'in_progress' ? (['archived'] as const) : CHOSEN;
  return COLUMNS.flatMap((to): Move[] => {
    if (to === task.column) return [];
    if (to === byRuns) return [{ to, column: null }];
    const column = chosen.find(one => one === to);
    return column === undefined ? [] : [{ to, column }];
  });
}
