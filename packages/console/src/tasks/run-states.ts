import type { Run, RunStatus, Task, TaskColumn } from '@holdfast/protocol';

/**
 * The states of a run and the columns of the board, in the order in which they occur. Listed here
 * because importing the schemas would add the whole validator to the page; a test compares the
 * lists.
 */
export const STATUSES = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'canceled',
] as const satisfies readonly RunStatus[];

export const COLUMNS = [
  'backlog',
  'todo',
  'in_progress',
  'in_review',
  'done',
  'archived',
] as const satisfies readonly TaskColumn[];

export function isOver(status: RunStatus): boolean {
  return status !== 'queued' && status !== 'running';
}

/** Seconds since the start, or from start to end; 0 while it waits. */
export function runSeconds(run: Run, nowMs: number): number {
  if (run.duration_s !== null) return run.duration_s;
  if (run.started_at === null) return 0;
  const end = run.finished_at === null ? nowMs : Date.parse(run.finished_at);
  return Math.max(0, (end - Date.parse(run.started_at)) / 1000);
}

/** The states that a task's runs are in, each with how many. */
export function countsOf(task: Task): { status: RunStatus; count: number }[] {
  return STATUSES.map(status => ({ status, count: task.runs[status] })).filter(
    ({ count }) => count > 0,
  );
}
