import { describe, expect, it } from 'vitest';
import { delayMs, RETRY_DEFAULT, wait } from './backoff.ts';

const policy = { ...RETRY_DEFAULT, baseMs: 100, maxMs: 1000 };

describe('delayMs', () => {
  it('doubles, within its upper half, up to the bound', () => {
    const low = [1, 2, 3, 4, 5, 9].map(n => delayMs({ ...policy, random: () => 0 }, n));
    const high = [1, 2, 3, 4, 5, 9].map(n => delayMs({ ...policy, random: () => 1 }, n));
    expect(low).toEqual([50, 100, 200, 400, 500, 500]);
    expect(high).toEqual([100, 200, 400, 800, 1000, 1000]);
  });

  it('obeys a server that asks for more, but not for ever', () => {
    expect(delayMs(policy, 1, 700)).toBe(700);
    expect(delayMs(policy, 1, 3_600_000)).toBe(1000);
  });
});

describe('wait', () => {
  it('ends at once when aborted, before and while waiting', async () => {
    await expect(wait(60_000, AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
    const abort = new AbortController();
    const waiting = wait(60_000, abort.signal);
    abort.abort(new Error('while'));
    await expect(waiting).rejects.toThrow('while');
  });
});
