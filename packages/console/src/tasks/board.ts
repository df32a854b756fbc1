import type { Repo, Task, TaskColumn } from '@holdfast/protocol';
import type { TasksSearch } from '../app/search.ts';
import { COLUMNS } from './run-states.ts';

export interface BoardColumn {
  readonly column: TaskColumn;
  readonly tasks: readonly Task[];
}

/** The columns with their tasks, what changed last first; `archived` only when asked for. */
export function groupTasks(tasks: readonly Task[], withArchived: boolean): BoardColumn[] {
  const newest = [...tasks].sort((a, b) => (a.updated_at < b.updated_at ? 1 : -1));
  return COLUMNS.filter(column => withArchived || column !== 'archived').map(column => ({
    column,
    tasks: newest.filter(task => task.column === column),
  }));
}

/** Whether a task belongs to the chosen repository and contains every word of the search. */
export function fits(task: Task, repos: ReadonlyMap<string, Repo>, search: TasksSearch): boolean {
  if (search.repo !== undefined && task.repo_id !== search.repo) return false;
  const repo = repos.get(task.repo_id)?.name ?? '';
  const haystack = [task.title, task.id, task.created_by, repo].join(' ').toLowerCase();
  return (search.q ?? '')
    .toLowerCase()
    .split(/\s+/)
    .every(word => haystack.includes(word));
}

/** The name that the first start gives its sample repository. */
const SAMPLE_NAME = 'sample';

export function sampleRepo(repos: readonly Repo[]): Repo | undefined {
  return repos.find(repo => repo.name === SAMPLE_NAME);
}
