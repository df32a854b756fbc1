import type { Repo, Session, Task } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { firstSteps } from './steps.ts';

const NONE = { queued: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
const task = (runs: Partial<Task['runs']> = {}) => ({ runs: { ...NONE, ...runs } }) as Task;
const session = {} as Session;
const repo = {} as Repo;

describe('the first steps', () => {
  it('are shown for voice and agents on a server where nothing has happened', () => {
    const nothing = { repo: false, task: false, compare: false };
    expect(firstSteps({ sessions: [], repos: [], tasks: [] })).toEqual({
      voice: true,
      agents: nothing,
    });
    expect(firstSteps({ sessions: [], repos: [repo], tasks: [] }).agents).toEqual({
      ...nothing,
      repo: true,
    });
  });

  it('end for voice with the first session, and then leave agents out', () => {
    expect(firstSteps({ sessions: [session], repos: [repo], tasks: [] })).toEqual({
      voice: false,
      agents: null,
    });
  });

  it('count tasks and runs until there are two runs to compare', () => {
    const steps = (...tasks: Task[]) => firstSteps({ sessions: [session], repos: [repo], tasks });
    expect(steps(task())).toEqual({
      voice: false,
      agents: { repo: true, task: false, compare: false },
    });
    expect(steps(task({ running: 1 })).agents).toEqual({ repo: true, task: true, compare: false });
    expect(steps(task({ succeeded: 1, failed: 1 })).agents).toBeNull();
  });

  it('are not shown again once the server has been used', () => {
    const one = task({ succeeded: 1 });
    expect(firstSteps({ sessions: [], repos: [repo], tasks: [one, one] }).agents).not.toBeNull();
    expect(firstSteps({ sessions: [], repos: [repo], tasks: [one, one, one] }).agents).toBeNull();
  });
});
