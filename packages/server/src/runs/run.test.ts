import { RUN_STATUSES, type RunStatus } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import {
  claimStep,
  isFinal,
  isReasonOf,
  isRetryable,
  LOST_ATTEMPTS_MAX,
  nextStatus,
} from './run.ts';

type Claimable = Parameters<typeof claimStep>[0];
const run = (change: Partial<Claimable> = {}): Claimable => ({
  status: 'queued',
  attempt: 0,
  lost_attempts: 0,
  ...change,
});
const FINAL = RUN_STATUSES.filter(isFinal);

describe('a claim', () => {
  it('of an ended run does nothing', () => {
    for (const status of FINAL) expect(claimStep(run({ status })).kind).toBe('ended');
  });

  it('starts a run without an attempt', () => {
    expect(claimStep(run())).toEqual({ kind: 'start', resumed: null, lostAttempts: 0 });
  });

  it('resumes after a drain, which does not count', () => {
    const drained = run({ attempt: 7, lost_attempts: 2 });
    expect(claimStep(drained)).toEqual({ kind: 'start', resumed: 'drain', lostAttempts: 2 });
  });

  it('counts attempts that were lost, and gives up at the bound', () => {
    for (let lost = 0; lost < LOST_ATTEMPTS_MAX + 1; lost += 1) {
      const step = claimStep(run({ status: 'running', attempt: lost + 1, lost_attempts: lost }));
      const gone = lost + 1 >= LOST_ATTEMPTS_MAX;
      expect(step).toMatchObject({ kind: gone ? 'give_up' : 'start', lostAttempts: lost + 1 });
    }
  });
});

describe('transitions', () => {
  it.each<[RunStatus, Parameters<typeof nextStatus>[1], RunStatus | null]>([
    ['queued', { type: 'cancel' }, 'canceled'],
    ['running', { type: 'cancel' }, null],
    ['running', { type: 'requeue' }, 'queued'],
    ['queued', { type: 'requeue' }, null],
    ['running', { type: 'finish', status: 'succeeded' }, 'succeeded'],
    ['running', { type: 'finish', status: 'failed' }, 'failed'],
    ['queued', { type: 'finish', status: 'succeeded' }, null],
  ])('%s after %j: %s', (status, input, to) => {
    expect(nextStatus(status, input)).toBe(to);
  });

  it('do not change an ended run', () => {
    for (const status of FINAL) {
      expect(nextStatus(status, { type: 'cancel' })).toBeNull();
      expect(nextStatus(status, { type: 'requeue' })).toBeNull();
      expect(nextStatus(status, { type: 'finish', status: 'failed' })).toBeNull();
    }
  });
});

it('allows each end its own reasons only', () => {
  expect(isReasonOf('succeeded', null)).toBe(true);
  expect(isReasonOf('succeeded', 'budget')).toBe(false);
  expect(isReasonOf('canceled', 'canceled')).toBe(true);
  expect(isReasonOf('failed', 'canceled')).toBe(false);
  expect(isReasonOf('failed', null)).toBe(false);
  expect(isReasonOf('failed', 'worker_lost')).toBe(true);
});

it('allows only failed and canceled runs to be retried', () => {
  expect(RUN_STATUSES.filter(isRetryable)).toEqual(['failed', 'canceled']);
});
