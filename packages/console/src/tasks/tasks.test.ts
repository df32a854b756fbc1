import { type Repo, RUN_STATUSES, type Run, TASK_COLUMNS, type Task } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { taskSearch, tasksSearch } from '../app/search.ts';
import { recentFailedRuns } from '../home/needs.ts';
import { defaultAgents } from './agents.ts';
import { fits, groupTasks, sampleRepo } from './board.ts';
import { COLUMNS, countsOf, isOver, runSeconds, STATUSES } from './run-states.ts';

const task = (change: Partial<Task>) =>
  ({
    id: 'tsk_1',
    repo_id: 'rpo_1',
    created_by: 'user:tanaka',
    title: 'Fix the import',
    column: 'todo',
    updated_at: '2026-11-25T00:00:00Z',
    runs: { queued: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 },
    ...change,
  }) as Task;
const repo = (id: string, name: string) => ({ id, name }) as Repo;
const repos = new Map([['rpo_1', repo('rpo_1', 'shop')]]);

describe('states and columns', () => {
  it("are the protocol's", () => {
    expect(STATUSES).toEqual(RUN_STATUSES);
    expect(COLUMNS).toEqual(TASK_COLUMNS);
    expect(STATUSES.filter(isOver)).toEqual(['succeeded', 'failed', 'canceled']);
  });

  it('are counted', () => {
    const runs = { queued: 0, running: 2, succeeded: 0, failed: 1, canceled: 0 };
    expect(countsOf(task({ runs }))).toEqual([
      { status: 'running', count: 2 },
      { status: 'failed', count: 1 },
    ]);
  });

  it('measure a run from its start, to now while it works', () => {
    const run = { duration_s: null, started_at: null, finished_at: null } as Run;
    expect(runSeconds(run, 0)).toBe(0);
    const started = { ...run, started_at: '2026-11-25T00:00:00Z' };
    expect(runSeconds(started, Date.parse('2026-11-25T00:01:30Z'))).toBe(90);
    expect(runSeconds({ ...started, finished_at: '2026-11-25T00:00:07Z' }, 0)).toBe(7);
    expect(runSeconds({ ...started, duration_s: 4 }, 0)).toBe(4);
  });
});

describe('the board', () => {
  it('has each column with the newest change first, and `archived` only on request', () => {
    const old = task({ id: 'a', updated_at: '2026-11-24T00:00:00Z' });
    const fresh = task({ id: 'b' });
    const archived = task({ id: 'c', column: 'archived' });
    const board = groupTasks([old, archived, fresh], false);
    expect(board.map(({ column }) => column)).toEqual(TASK_COLUMNS.slice(0, -1));
    expect(board[1]?.tasks.map(({ id }) => id)).toEqual(['b', 'a']);
    expect(groupTasks([archived], true).at(-1)?.tasks).toEqual([archived]);
  });

  it('finds every word in title, repository, owner or id', () => {
    expect(fits(task({}), repos, { q: 'import SHOP' })).toBe(true);
    expect(fits(task({}), repos, { q: 'import tanaka tsk_1' })).toBe(true);
    expect(fits(task({}), repos, { q: 'import blog' })).toBe(false);
    expect(fits(task({}), repos, { repo: 'rpo_2' })).toBe(false);
    expect(fits(task({ repo_id: 'gone' }), repos, {})).toBe(true);
  });

  it('recognises the sample by its name', () => {
    expect(sampleRepo([repo('a', 'shop'), repo('b', 'sample')])?.id).toBe('b');
    expect(sampleRepo([repo('a', 'shop')])).toBeUndefined();
  });
});

describe('agents', () => {
  const agent = (name: string, available = true) => ({ name, available }) as never;

  it('preselect the built-in one, else the first that is available', () => {
    expect(defaultAgents([agent('codex'), agent('builtin')])).toEqual(['builtin']);
    expect(defaultAgents([agent('codex'), agent('builtin', false)])).toEqual(['codex']);
    expect(defaultAgents([agent('codex', false)])).toEqual([]);
  });
});

describe('addresses', () => {
  it('keep valid values and leave out the rest', () => {
    expect(tasksSearch({ q: 'x', repo: 'rpo_1', archived: true })).toMatchObject({
      q: 'x',
      repo: 'rpo_1',
      archived: true,
    });
    expect(tasksSearch({ q: 7, archived: 'yes' })).toEqual({});
    const tabs = { run_a: 'diff', run_b: 'log', run_c: 'odd', run_d: 7 };
    expect(taskSearch({ run: 'run_a', tabs, at: '12', compare: true })).toMatchObject({
      run: 'run_a',
      tabs: { run_a: 'diff' },
      at: 12,
      compare: true,
    });
    expect(taskSearch({ tabs: 'diff', at: -1, compare: 1 })).toEqual({});
  });
});

describe('what needs a person', () => {
  it('are runs that failed today and were not tried again', () => {
    const at = '2026-11-25T00:00:00Z';
    const run = (id: string, change: Partial<Run> = {}) =>
      ({ id, status: 'failed', reason: 'agent_error', finished_at: at, ...change }) as Run;
    const runs = [
      run('a'),
      run('b'),
      run('c', { retry_of: 'b' }),
      run('d', { status: 'succeeded' }),
    ];
    const now = Date.parse('2026-11-25T01:00:00Z');
    expect(recentFailedRuns(runs, now).map(({ id }) => id)).toEqual(['a', 'c']);
    expect(recentFailedRuns(runs, now + 86_400_000)).toEqual([]);
  });
});
