import { describe, expect, it } from 'vitest';
import { duplicateKey } from './json-guard.ts';

describe('duplicateKey', () => {
  it('finds keys that stand twice in one object', () => {
    const cases: [string, string][] = [
      ['{"a":1,"a":2}', 'a'],
      ['{"type":"a","\\u0074ype":"b"}', 'type'],
      ['{"x":{"b":[{"c":1,"d":2,"c":3}]}}', 'c'],
      ['[{"a":{}},{"b":"a","b" : 1}]', 'b'],
      ['{"":1,"":2}', ''],
      ['{"a\\"":1,"a\\u0022":2}', 'a"'],
      ['{"__proto__":1,"__proto__":2}', '__proto__'],
      ['{"a":{"b":1},"a":{"b":1}}', 'a'],
      ['{"a":[],\n\t"a"\r :1}', 'a'],
    ];
    for (const [json, key] of cases) {
      JSON.parse(json);
      expect([json, duplicateKey(json)]).toEqual([json, key]);
    }
  });

  it('is not misled by values, nesting or escapes', () => {
    const cases = [
      '{"a":"b","b":"a"}',
      '{"a":{"a":{"a":1}}}',
      '[{"a":1},{"a":1}]',
      '{"a":"\\"a\\":1","b":"{\\"a\\":"}',
      '{"a":"\\\\","b":"\\\\\\""}',
      '"a"',
      '["a","a"]',
      '{"a":["b","b"],"b":1}',
      '12',
    ];
    for (const json of cases) {
      JSON.parse(json);
      expect([json, duplicateKey(json)]).toEqual([json, null]);
    }
  });
});
