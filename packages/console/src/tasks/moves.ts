import type { TaskPatch } from '@holdfast/client';
import type { Me, Task, TaskColumn } from '@holdfast/protocol';
import { COLUMNS } from './run-states.ts';

/** Whether the reader may change a task and its runs, as the server judges it. */
export function mayControl(me: Me | undefined, task: Pick<Task, 'created_by'>): boolean {
  return me?.role === 'Admin' || (me?.role === 'Developer' && me.id === task.created_by);
}

export interface Move {
  readonly to: TaskColumn;
  /** What the server is asked for; null: the column that its runs say, from now on. */
  readonly column: NonNullable<TaskPatch['column']> | null;
}

/** Those that may be chosen; the others are facts. */
const CHOSEN = ['backlog', 'todo', 'done', 'archived'] as const;

/** Where a task stands when nobody has chosen a column for it. */
export function columnByRuns({ runs, picked_run_id }: Task): TaskColumn {
  if (runs.queued + runs.running > 0) return 'in_progress';
  if (picked_run_id !== null) return 'done';
  return runs.succeeded + runs.failed + runs.canceled > 0 ? 'in_review' : 'todo';
}

/**
 * Where a task can go from where it is, in the order of the board. While somebody works on it that
 * is only out of sight and back.
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
