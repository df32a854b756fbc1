import { describe, expect, it } from 'vitest';
import { duplicateKey, FOLDED_MAX_CHARS, fold } from './json-guard.ts';

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

  it('finds keys that some parser takes for the same', () => {
    const cases: [string, string][] = [
      ['{"type":"a","Type":"b"}', 'Type'],
      ['{"SESSION":1,"session":2}', 'session'],
      ['{"x":[{"item":1,"\\u0049TEM":2}]}', 'ITEM'],
      ['{"tokens":1,"to\u212aens":2}', 'to\u212aens'],
      ['{"session":1,"\u017fession":2}', '\u017fession'],
      ['{"item":1,"\u0131tem":2}', '\u0131tem'],
      ['{"item":1,"\u0130TEM":2}', '\u0130TEM'],
      ['{"type":1,"\uff54\uff59\uff50\uff45":2}', '\uff54\uff59\uff50\uff45'],
      ['{"type":1,"ty\u00adpe":2}', 'ty\u00adpe'],
      ['{"type":1,"type\\u0000":2}', 'type\0'],
      ['{"stra\u00dfe":1,"STRASSE":2}', 'STRASSE'],
      ['{"\u03c3\u03c2":1,"\u03c2\u03c3":2}', '\u03c2\u03c3'],
    ];
    for (const [json, key] of cases) {
      JSON.parse(json);
      expect([json, duplicateKey(json)]).toEqual([json, key]);
    }
    expect(duplicateKey('{"type":1,"typ":2,"types":3,"\u0442ype":4}')).toBeNull();
  });

  it('folds letters of any kind to one', () => {
    for (let code = 0; code < 0x11_0000; code++) {
      if (code >= 0xd800 && code < 0xe000) continue;
      const letter = String.fromCodePoint(code);
      const forms = [letter.toUpperCase(), letter.toLowerCase(), letter.normalize('NFKC')];
      const others = forms.filter(form => form !== letter && fold(form) !== fold(letter));
      if (others.length > 0) expect([letter, others]).toEqual([]);
    }
  });

  it('compares a bounded number of characters beyond ASCII', () => {
    const half = '\ufdfa'.repeat(FOLDED_MAX_CHARS / 2);
    const most = `{"${half}":{"${half}":"${half}${half}"}`;
    expect(duplicateKey(`${most}}`)).toBeNull();
    expect(duplicateKey(`${most},"\u3042":1}`)).toBe('\u3042');
    expect(duplicateKey(`{"${'a'.repeat(2 * FOLDED_MAX_CHARS)}":1}`)).toBeNull();
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
