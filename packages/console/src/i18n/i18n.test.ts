import { VOICE_STATES } from '@holdfast/client';
import { ERROR_CODES, EVENTS } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { createFormats, formatClock } from './format.ts';
import { browserLanguage } from './i18n.ts';
import { resources as en } from './resources-en.ts';
import { resources as ja } from './resources-ja.ts';

/** Each text by its full key. */
function flatten(texts: object, prefix = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(texts)) {
    if (typeof value === 'string') found.set(prefix + key, value);
    else for (const [k, v] of flatten(value, `${prefix}${key}.`)) found.set(k, v);
  }
  return found;
}

const english = flatten(en);
const japanese = flatten(ja);
const variables = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(m => m[1]).sort();

describe('the two languages', () => {
  it('have the same texts', () => {
    expect([...japanese.keys()].sort()).toEqual([...english.keys()].sort());
    expect(english.size).toBeGreaterThan(200);
  });

  it('fill in the same variables', () => {
    for (const [key, text] of english) {
      // A language may leave a figure out, but must not use one that is not given.
      const given = new Set(variables(text));
      for (const name of variables(japanese.get(key)!))
        expect([key, given.has(name!)]).toEqual([key, true]);
    }
  });

  it('leave nothing empty, and Japanese is written in full-width punctuation', () => {
    for (const text of [...english.values(), ...japanese.values()])
      expect(text.trim()).not.toBe('');
    for (const [key, text] of japanese) {
      const half = /[\u3040-\u30ff\u4e00-\u9faf]\s?[,.!?:;()]/.exec(text);
      expect([key, half?.[0]]).toEqual([key, undefined]);
    }
  });

  it('name every event of the log and every state', () => {
    for (const type of Object.keys(EVENTS)) {
      expect(english.has(`timeline.event.${type.replaceAll('.', '_')}`)).toBe(true);
    }
    for (const state of VOICE_STATES) expect(english.has(`voice.state.${state}`)).toBe(true);
  });

  it('have texts only for errors that exist', () => {
    const codes = new Set([
      ...Object.keys(ERROR_CODES),
      'network',
      'timeout',
      'refused',
      'unexpected',
    ]);
    for (const key of english.keys()) {
      const code = /^ui\.problem\.(\w+)\.what$/.exec(key)?.[1];
      if (code) expect(codes).toContain(code);
    }
  });
});

describe('browserLanguage', () => {
  it('takes the first language that the console has', () => {
    expect(browserLanguage(['ja-JP', 'en'])).toBe('ja');
    expect(browserLanguage(['fr', 'en-GB', 'ja'])).toBe('en');
    expect(browserLanguage(['fr'])).toBe('en');
    expect(browserLanguage([])).toBe('en');
  });
});

describe('formats', () => {
  it('keep the same width while a clock runs', () => {
    expect([0, 5.9, 65, 3599, 3600, 36_061, -3].map(formatClock)).toEqual([
      '0:00',
      '0:05',
      '1:05',
      '59:59',
      '1:00:00',
      '10:01:01',
      '0:00',
    ]);
  });

  it('follow the language', () => {
    const now = Date.parse('2026-11-22T12:00:00Z');
    const before = (seconds: number) => now - seconds * 1000;
    const english = createFormats('en');
    const japanese = createFormats('ja');
    expect(english.relative(before(0), now)).toBe('now');
    expect(english.relative(before(119), now)).toBe('1 minute ago');
    expect(english.relative(before(-7200), now)).toBe('in 2 hours');
    expect(japanese.relative(before(86_400 * 3), now)).toBe('3 日前');
    expect(english.bytes(999)).toBe('999 byte');
    expect(english.bytes(1_540_000)).toBe('1.5 MB');
    expect(english.number(12_345)).toBe('12,345');
    expect(japanese.percent(0.25)).toBe('25%');
  });
});
