import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Skimmer } from './skimmer.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function skim(text: string, maxTapStringBytes = 4, maxTapBytes = 1_000, step = 1): unknown {
  const skimmer = new Skimmer({ maxTapBytes, maxTapStringBytes });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += step) skimmer.add(bytes.subarray(at, at + step));
  const left = skimmer.end();
  return left && JSON.parse(left.toString());
}

describe('what is left of a long message', () => {
  it.each([1, 2, 3, 7, 1_000])('is every field with its texts cut, in pieces of %i', step => {
    const text = JSON.stringify({ a: 'abcdefgh', 'longer key': [1, { b: 'xyz' }], c: null, d: '' });
    expect(skim(text, 4, 1_000, step)).toEqual({
      a: 'abcd',
      long: [1, { b: 'xyz' }],
      c: null,
      d: '',
    });
  });

  it.each([
    ['an escaped quote', '{"a":"abc\\"def","b":1}', { a: 'abc"', b: 1 }],
    ['a quote right at the limit', '{"a":"abcd\\"ef","b":1}', { a: 'abcd', b: 1 }],
    ['an escaped backslash before the end', '{"a":"abcdef\\\\","b":1}', { a: 'abcd', b: 1 }],
    ['an escape that crosses the limit', '{"a":"abc\\u00e9def","b":1}', { a: 'abcé', b: 1 }],
    ['a character that crosses the limit', '{"a":"abcあdef","b":1}', { a: 'abcあ', b: 1 }],
    ['many characters of more bytes', '{"a":"ああああ","b":"🙂🙂"}', { a: 'ああ', b: '🙂' }],
  ])('stays JSON with %s', (_, text, left) => {
    expect(skim(text)).toEqual(left);
  });

  it('is nothing where it is too long without its texts', () => {
    const text = JSON.stringify({ n: Array.from({ length: 100 }, () => 1_000) });
    expect(skim(text, 4, text.length)).toEqual(JSON.parse(text));
    expect(skim(text, 4, text.length - 1)).toBeUndefined();
  });

  it('holds only what it keeps of messages that never end, in pieces of any size', () => {
    const held = () => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = held();
    const unfinished = Array.from({ length: 20 }, (_, at) => {
      const skimmer = new Skimmer({ maxTapBytes: 2 ** 20, maxTapStringBytes: 2 ** 16 });
      const piece = Buffer.alloc(at % 2 === 0 ? 2 ** 16 : 16, 'x');
      skimmer.add(Buffer.from('{"a":"'));
      for (let sent = 0; sent < 2 ** 22; sent += piece.length) skimmer.add(piece);
      return skimmer;
    });
    // Of each its string's first 64 KiB in a growing buffer, where 4 MiB came.
    expect(held() - before).toBeLessThan(unfinished.length * 2 ** 19);
    for (const skimmer of unfinished) expect(skimmer.end()!.length).toBe(2 ** 16 + 6);
  });
});
