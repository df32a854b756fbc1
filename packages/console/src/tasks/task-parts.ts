import type { Message, Run, Task } from '@holdfast/protocol';
import type { RunTab, TaskSearch } from '../app/search.ts';

/** What the parts of a task's page show. */
export interface TaskParts {
  task: Task;
  messages: readonly Message[];
  runs: readonly Run[];
  /** The message whose runs are shown. */
  message: Message | undefined;
  /** Whether the reader may change the task and its runs. */
  own: boolean;
}

/** What the parts of a run's column show. */
export interface RunColumnProps {
  run: Run;
  /** Whether the reader may change the run. */
  own: boolean;
  /** The agent's title. */
  title: string;
  alone: boolean;
  many: boolean;
  tab: RunTab;
  at: number | undefined;
  go: GoTo;
}

/** Changes what is shown, and with it the address. */
export type GoTo = (change: Partial<TaskSearch> | ((now: TaskSearch) => TaskSearch)) => void;

export interface LogSearchState {
  query: string;
  setQuery: (query: string) => void;
  count: number;
  /** Which of the matches is shown, from 1; 0 where none is. */
  at: number;
  /** Its row; -1 where none is. */
  index: number;
  step: (by: 1 | -1) => void;
}
