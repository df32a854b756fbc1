import type { Run, TaskColumn } from '@holdfast/protocol';

/**
 * Where a task stands on the board. A chosen column (`override`) wins while no run works on it;
 * otherwise it follows from its runs:
 *
 *   something queued or running  in_progress   (overrides every choice but `archived`)
 *   a run was picked             done
 *   runs, all of them ended      in_review
 *   no run yet                   todo
 *
 * `in_progress` and `in_review` are facts and cannot be chosen. Starting a run clears the choice,
 * except `archived`.
 */
export const CHOSEN_COLUMNS = ['backlog', 'todo', 'done', 'archived'] as const;
export type ChosenColumn = (typeof CHOSEN_COLUMNS)[number];

export interface TaskFacts {
  readonly override: ChosenColumn | null;
  readonly picked: boolean;
  readonly runs: Readonly<Record<Run['status'], number>>;
}

export function columnOf({ override, picked, runs }: TaskFacts): TaskColumn {
  if (override === 'archived') return 'archived';
  if (runs.queued + runs.running > 0) return 'in_progress';
  if (override !== null) return override;
  if (picked) return 'done';
  return runs.succeeded + runs.failed + runs.canceled > 0 ? 'in_review' : 'todo';
}
