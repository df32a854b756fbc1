import { describe, expect, it } from 'vitest';
import { parseByteRange } from './byte-range.ts';

describe('parseByteRange', () => {
  it('refuses a range behind the end', () => {
    expect(() => parseByteRange('bytes=100-', 100)).toThrow(/100 bytes/);
    expect(() => parseByteRange('bytes=-0', 100)).toThrow();
  });

  it.each([
    [undefined, undefined],
    ['items=0-1', undefined],
    ['bytes=0-1,5-6', undefined],
    ['bytes=5-2', undefined],
    ['bytes=-', undefined],
    ['bytes=0-0', { start: 0, end: 0 }],
    ['bytes=10-', { start: 10, end: 99 }],
    ['bytes=10-1000', { start: 10, end: 99 }],
    ['bytes=-10', { start: 90, end: 99 }],
    ['bytes=-1000', { start: 0, end: 99 }],
  ])('%s of 100 bytes is %j', (header, range) => {
    expect(parseByteRange(header, 100)).toEqual(range);
  });
});
