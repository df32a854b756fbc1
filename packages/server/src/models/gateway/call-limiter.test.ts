import { describe, expect, it } from 'vitest';
import { CallLimiter } from './call-limiter.ts';

describe('the limiter of calls', () => {
  it('is full at the limit of all callers, until a call ends', () => {
    const limiter = new CallLimiter({ maxCalls: 3, maxCallsPerCaller: 2 });
    const leave = ['a', 'b', 'c'].map(caller => limiter.enter(caller));
    expect(() => limiter.enter('d')).toThrow(expect.objectContaining({ code: 'unavailable' }));
    leave[0]!();
    limiter.enter('d');
    expect(() => limiter.enter('a')).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  it('is full for one caller at its own limit', () => {
    const limiter = new CallLimiter({ maxCalls: 9, maxCallsPerCaller: 2 });
    const [leave] = [limiter.enter('a'), limiter.enter('a')];
    expect(() => limiter.enter('a')).toThrow(expect.objectContaining({ code: 'rate_limited' }));
    limiter.enter('b');
    leave!();
    limiter.enter('a');
    expect(() => limiter.enter('a')).toThrow(expect.objectContaining({ code: 'rate_limited' }));
  });
});
