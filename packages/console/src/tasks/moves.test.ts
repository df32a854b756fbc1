import type { Me, Repo, Task } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { columnByRuns, mayControl, movesOf } from './moves.ts';
import { fieldsOf, isComplete, patchOf } from './repo-patch.ts';

const NONE = { queued: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
const task = (change: Partial<Omit<Task, 'runs'>>, runs: Partial<Task['runs']> = {}) =>
  ({ column: 'todo', picked_run_id: null, ...change, runs: { ...NONE, ...runs } }) as Task;
const places = (one: Task) => movesOf(one).map(({ to, column }) => `${to}=${column}`);

describe('moving a task', () => {
  it('is for its creator and for Admins', () => {
    const me = (role: Me['role'], id = 'user:abe') => ({ role, id }) as Me;
    const mine = { created_by: 'user:abe' };
    expect(mayControl(undefined, mine)).toBe(false);
    expect(mayControl(me('Viewer'), mine)).toBe(false);
    expect(mayControl(me('Developer', 'user:other'), mine)).toBe(false);
    expect(mayControl(me('Developer'), mine)).toBe(true);
    expect(mayControl(me('Admin', 'user:other'), mine)).toBe(true);
  });

  it('derives the column of a task that was not moved', () => {
    expect(columnByRuns(task({}))).toBe('todo');
    expect(columnByRuns(task({}, { failed: 1 }))).toBe('in_review');
    expect(columnByRuns(task({ picked_run_id: 'run_1' }, { succeeded: 1 }))).toBe('done');
    expect(columnByRuns(task({ picked_run_id: 'run_1' }, { queued: 1 }))).toBe('in_progress');
  });

  it('clears the chosen column where the runs lead to the same one', () => {
    expect(places(task({}))).toEqual(['backlog=backlog', 'done=done', 'archived=archived']);
    expect(places(task({ column: 'backlog' }))).toEqual([
      'todo=null',
      'done=done',
      'archived=archived',
    ]);
    expect(places(task({ column: 'archived' }, { succeeded: 1 }))).toEqual([
      'backlog=backlog',
      'todo=todo',
      'in_review=null',
      'done=done',
    ]);
  });

  it('only archives and brings back while a run is in progress', () => {
    expect(places(task({ column: 'in_progress' }, { running: 1 }))).toEqual(['archived=archived']);
    expect(places(task({ column: 'archived' }, { running: 1 }))).toEqual(['in_progress=null']);
  });
});

describe('changing a repository', () => {
  const settings = { default_branch: 'main', test_command: null, allow_ci_changes: false };
  const repo = { name: 'shop', ...settings } as Repo;
  const fields = fieldsOf(repo);

  it('sends only what differs', () => {
    expect(patchOf(fields, repo)).toEqual({});
    expect(patchOf({ ...fields, name: ' store ', test: 'npm test' }, repo)).toEqual({
      name: 'store',
      test_command: 'npm test',
    });
    const tested = { ...repo, test_command: 'npm test' };
    expect(patchOf({ ...fields, branch: 'dev', test: ' ' }, tested)).toEqual({
      default_branch: 'dev',
      test_command: null,
    });
    expect(patchOf({ ...fields, ciChanges: true }, repo)).toEqual({ allow_ci_changes: true });
  });

  it('needs a name, and a branch where one is known', () => {
    expect(isComplete(fields, repo)).toBe(true);
    expect(isComplete({ ...fields, name: ' ' }, repo)).toBe(false);
    expect(isComplete({ ...fields, branch: '' }, repo)).toBe(false);
    const unknown = { ...repo, default_branch: null };
    expect(isComplete({ ...fields, branch: '' }, unknown)).toBe(true);
    expect(patchOf({ ...fields, branch: '' }, unknown)).toEqual({});
  });
});
