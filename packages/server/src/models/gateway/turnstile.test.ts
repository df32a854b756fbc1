import { describe, expect, it } from 'vitest';
import { Turnstile } from './turnstile.ts';

describe('the turnstile', () => {
  it('is full at the limit of all callers, until somebody leaves', () => {
    const turnstile = new Turnstile({ maxCalls: 3, maxCallsPerCaller: 2 });
    const leave = ['a', 'b', 'c'].map(caller => turnstile.enter(caller));
    expect(() => turnstile.enter('d')).toThrow(expect.objectContaining({ code: 'unavailable' }));
    leave[0]!();
    turnstile.enter('d');
    expect(() => turnstile.enter('a')).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  it('is full for one caller at its own limit', () => {
    const turnstile = new Turnstile({ maxCalls: 9, maxCallsPerCaller: 2 });
    const [leave] = [turnstile.enter('a'), turnstile.enter('a')];
    expect(() => turnstile.enter('a')).toThrow(expect.objectContaining({ code: 'rate_limited' }));
    turnstile.enter('b');
    leave!();
    turnstile.enter('a');
    expect(() => turnstile.enter('a')).toThrow(expect.objectContaining({ code: 'rate_limited' }));
  });
});
