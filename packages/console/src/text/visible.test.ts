import i18next from 'i18next';
import type { ReactElement } from 'react';
import { describe, expect, it } from 'vitest';
import { interpolation } from '../i18n/i18n.ts';
import { resources } from '../i18n/resources-en.ts';
import { jsx, jsxs } from './jsx-runtime.ts';
import { visible } from './visible.ts';

const propsOf = (element: ReactElement) => element.props as Record<string, unknown>;

describe('visible', () => {
  it('shows what hides, reorders or controls as its code', () => {
    expect(visible('invoice\u202efdp.exe')).toBe('invoice⟨U+202E⟩fdp.exe');
    const unseen = [
      ...[0x00, 0x07, 0x0d, 0x1b, 0x7f, 0x85, 0x9b, 0xad, 0x34f, 0x61c, 0x115f, 0x180e],
      ...[0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202d, 0x2060, 0x2066, 0x2069],
      ...[0x3164, 0xfeff, 0xffa0, 0xe0041],
    ];
    for (const code of unseen) {
      const name = code.toString(16).toUpperCase().padStart(4, '0');
      expect(visible(`a${String.fromCodePoint(code)}b`)).toBe(`a⟨U+${name}⟩b`);
    }
  });

  it('leaves texts of all scripts, emoji, and lines as they are', () => {
    for (const text of [
      'plain – “text”, 100 %',
      'line one\n\tline two\r\nline three',
      '日本語の、葛󠄀城市。',
      'עברית and العربية',
      'فارسی می‌خواهم',
      '👩‍💻 ❤️ 🏳️‍🌈',
      '',
    ]) {
      expect(visible(text)).toBe(text);
    }
  });

  it('changes nothing the second time', () => {
    const once = visible('a\u202eb\u200b');
    expect(visible(once)).toBe(once);
  });
});

describe('elements of the console', () => {
  it('have their texts made visible, wherever they stand among others', () => {
    const nested = jsxs('p', { children: ['a\u202eb', 1, ['c\u200bd'], jsx('b', {})] });
    expect(propsOf(nested).children).toMatchObject(['a⟨U+202E⟩b', 1, ['c⟨U+200B⟩d'], {}]);
    const named = jsx('a', { title: 'x\u2066', 'aria-label': 'y\u2067', children: 'z\u2069' });
    expect(propsOf(named)).toEqual({
      title: 'x⟨U+2066⟩',
      'aria-label': 'y⟨U+2067⟩',
      children: 'z⟨U+2069⟩',
    });
  });

  it('keep values of fields, addresses, and what needs no change', () => {
    const props = { value: 'a\u202eb', href: '/\u202e', children: ['plain', 2] };
    expect(propsOf(jsx('input', props))).toEqual(props);
    expect(propsOf(jsx('p', props)).children).toBe(props.children);
  });

  it('and texts that names are filled into are, too', async () => {
    const texts = i18next.createInstance();
    await texts.init({ lng: 'en', resources: { en: resources }, interpolation });
    expect(texts.t('tasks:repos.archiveName', { name: 'a\u202eb' })).toContain('a⟨U+202E⟩b');
    expect(texts.t('tasks:repos.archiveName', { name: '<a&b>' })).toContain('<a&b>');
  });
});
