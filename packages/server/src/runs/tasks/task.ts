import type { Run, TaskColumn } from '@holdfast/protocol';

/**
 * Where a task stands on the board. What somebody chose (`override`) wins while no run works on it;
 * otherwise its runs say it:
 *
 *   something queued or running  in_progress   (whatever was chosen, but for `archived`)
 *   somebody picked a run        done
 *   runs, all of them ended      in_review
 *   no run yet                   todo
 *
 * `in_progress` and `in_review` are facts, so nobody can choose them. Starting a run takes back
 * what was chosen, but for `archived`.
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
