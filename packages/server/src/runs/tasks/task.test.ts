import { expect, it } from 'vitest';
import { columnOf, type TaskFacts } from './task.ts';

const NONE = { queued: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };

it.each<[string, Partial<Omit<TaskFacts, 'runs'>> & { runs?: Partial<TaskFacts['runs']> }, string]>(
  [
    ['no run', {}, 'todo'],
    ['no run, put away', { override: 'backlog' }, 'backlog'],
    ['a queued run', { runs: { queued: 1 } }, 'in_progress'],
    ['a running run beside ended ones', { runs: { running: 1, failed: 2 } }, 'in_progress'],
    [
      'a running run of a task called done',
      { override: 'done', runs: { running: 1 } },
      'in_progress',
    ],
    [
      'a running run of an archived task',
      { override: 'archived', runs: { running: 1 } },
      'archived',
    ],
    ['ended runs', { runs: { succeeded: 1, canceled: 1 } }, 'in_review'],
    ['ended runs, sent back', { override: 'todo', runs: { succeeded: 1 } }, 'todo'],
    ['a picked run', { picked: true, runs: { succeeded: 2 } }, 'done'],
  ],
)('%s', (_name, facts, column) => {
  const { override = null, picked = false, runs } = facts;
  expect(columnOf({ override, picked, runs: { ...NONE, ...runs } })).toBe(column);
});
