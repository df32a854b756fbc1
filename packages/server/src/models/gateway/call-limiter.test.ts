import { describe, expect, it } from 'vitest';
import { CallLimiter } from './call-limiter.ts';

const held = { maxHeldBytes: 100, maxHeldBytesPerCaller: 60 };

describe('the limiter of calls', () => {
  it('holds no more bytes of bodies than one caller, and all together, may have', () => {
    const limiter = new CallLimiter({ ...held, maxCalls: 9, maxCallsPerCaller: 9 });
    const [one, two, other] = ['a', 'a', 'b'].map(caller => limiter.enter(caller));
    one!.hold(40);
    two!.hold(20);
    expect(() => two!.hold(1)).toThrow(expect.objectContaining({ code: 'rate_limited' }));
    other!.hold(40);
    expect(() => other!.hold(1)).toThrow(expect.objectContaining({ code: 'unavailable' }));
    one!.leave();
    other!.hold(20);
    two!.hold(20);
    expect(() => two!.hold(1)).toThrow(expect.objectContaining({ code: 'unavailable' }));
    other!.drop();
    two!.hold(20);
    for (const place of [two, other]) place!.leave();
    limiter.enter('a').hold(60);
  });

  it('is full at the limit of all callers, until a call ends', () => {
    const limiter = new CallLimiter({ ...held, maxCalls: 3, maxCallsPerCaller: 2 });
    const [first] = ['a', 'b', 'c'].map(caller => limiter.enter(caller));
    expect(() => limiter.enter('d')).toThrow(expect.objectContaining({ code: 'unavailable' }));
    first!.leave();
    limiter.enter('d');
    expect(() => limiter.enter('a')).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  it('is full for one caller at its own limit', () => {
    const limiter = new CallLimiter({ ...held, maxCalls: 9, maxCallsPerCaller: 2 });
    const [first] = [limiter.enter('a'), limiter.enter('a')];
    expect(() => limiter.enter('a')).toThrow(expect.objectContaining({ code: 'rate_limited' }));
    limiter.enter('b');
    first!.leave();
    limiter.enter('a');
    expect(() => limiter.enter('a')).toThrow(expect.objectContaining({ code: 'rate_limited' }));
  });
});
