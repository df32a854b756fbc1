import { describe, expect, it } from 'vitest';
import type { HoldfastError } from '../kernel/index.ts';
import { askAgain } from './ask-again.ts';
import { refusalError } from './errors.ts';

const refused = (status: number, retryAfter?: string) =>
  refusalError({
    what: 'upstream',
    secrets: [],
    answer: { status, headers: retryAfter ? { 'retry-after': retryAfter } : {}, body: '' },
  });

/** Fails so often, then answers; how often it was asked, and the pauses in between. */
async function asking(
  errors: HoldfastError[],
  options: { timeoutMs?: number; isSafe?: boolean; abort?: 'before' | 'in the pause' } = {},
) {
  const pauses: number[] = [];
  const left = [...errors];
  const aborting = new AbortController();
  if (options.abort === 'before') aborting.abort();
  let asked = 0;
  const answer = await askAgain(
    async () => {
      asked += 1;
      const error = left.shift();
      if (error) throw error;
      return 'answer';
    },
    {
      timeoutMs: options.timeoutMs ?? 10_000,
      signal: aborting.signal,
      isSafe: () => options.isSafe ?? true,
      onAgain({ pauseMs }) {
        pauses.push(pauseMs);
        if (options.abort === 'in the pause') aborting.abort();
      },
      random: () => 0,
    },
  ).catch((error: HoldfastError) => error.code);
  return { answer, asked, pauses };
}

describe('an upstream is asked again', () => {
  it('twice at most, after pauses that double', async () => {
    const two = [refused(503), refused(500)];
    expect(await asking(two)).toEqual({ answer: 'answer', asked: 3, pauses: [100, 200] });
    const three = [...two, refused(503)];
    expect(await asking(three)).toMatchObject({ answer: 'upstream_error', asked: 3 });
  });

  it('after the pause that it asks for, up to 5 s', async () => {
    const longest = await asking([refused(429, '5')], { abort: 'in the pause' });
    expect(longest).toEqual({ answer: 'upstream_rate_limited', asked: 1, pauses: [5_000] });
    expect(await asking([refused(429, '6')])).toEqual({
      answer: 'upstream_rate_limited',
      asked: 1,
      pauses: [],
    });
  });

  it('not where the pause would leave no time', async () => {
    const late = await asking([refused(429, '2')], { timeoutMs: 2_400 });
    expect(late).toMatchObject({ answer: 'upstream_rate_limited', asked: 1 });
  });

  it('not where something may have begun', async () => {
    expect(await asking([refused(503)], { isSafe: false })).toMatchObject({ asked: 1 });
  });

  it('not once nobody waits', async () => {
    const gone = await asking([refused(503)], { abort: 'before' });
    expect(gone).toMatchObject({ asked: 1, pauses: [] });
  });
});
