import { describe, expect, it, vi } from 'vitest';
import type { Logger } from '../../platform/telemetry/index.ts';
import { type CallListener, Watchers } from './watchers.ts';

const NOTICE = { scope: 'run', spentUsd: 1, limitUsd: 2, percent: 50 } as never;

function open() {
  const error = vi.fn();
  const watchers = new Watchers({ error } as unknown as Logger);
  const listener = (): CallListener => ({ onCall: vi.fn(), onBudget: vi.fn() });
  return { watchers, error, listener };
}

describe('those who watch a run', () => {
  it('hear of calls that began while they watched, and of nothing once they are gone', () => {
    const { watchers, listener } = open();
    const [stays, goes, comes, stranger] = [listener(), listener(), listener(), listener()];
    watchers.add('run_1', stays);
    const leave = watchers.add('run_1', goes);
    watchers.add('run_2', stranger);
    const audience = watchers.audience('run_1');
    leave();
    watchers.add('run_1', comes);
    audience.notify(to => to.onBudget(NOTICE));
    expect(stays.onBudget).toHaveBeenCalledExactlyOnceWith(NOTICE);
    for (const other of [goes, comes, stranger]) expect(other.onBudget).not.toHaveBeenCalled();
  });

  it('do not include the next attempt, whose total contains the call already', () => {
    const { watchers, listener } = open();
    const leave = watchers.add('run_1', listener());
    const audience = watchers.audience('run_1');
    expect(audience.isEmpty).toBe(false);
    leave();
    watchers.add('run_1', listener());
    expect(audience.isEmpty).toBe(true);
    expect(watchers.audience(null).isEmpty).toBe(true);
  });

  it('do not suffer from each other', () => {
    const { watchers, error, listener } = open();
    const [fails, hears] = [listener(), listener()];
    vi.mocked(fails.onBudget).mockImplementation(() => {
      throw new Error('no');
    });
    watchers.add('run_1', fails);
    watchers.add('run_1', hears);
    watchers.audience('run_1').notify(to => to.onBudget(NOTICE));
    expect(hears.onBudget).toHaveBeenCalledOnce();
    expect(error).toHaveBeenCalledOnce();
  });
});
