import { describe, expect, it } from 'vitest';
import {
  boundFields,
  boundText,
  DEPTH_MAX,
  ENTRIES_MAX,
  LINE_MAX_CHARS,
  STRING_MAX_CHARS,
} from './bound-fields.ts';

describe('secrets', () => {
  it.each([
    ['authorization', 'Bearer abc'],
    ['api_key', 'x'],
    ['apiKey', 'x'],
    ['api-key', 'x'],
    ['client_secret', 'x'],
    ['accessToken', 'x'],
    ['AZURE_STORAGE_CONNECTION_STRING', 'x'],
    ['Set-Cookie', 'x'],
  ])('masks the field %s', (name, value) => {
    expect(boundFields({ [name]: value, nested: { [name]: value } })).toEqual({
      [name]: '***',
      nested: { [name]: '***' },
    });
  });

  it.each([
    'wss://host/v1/realtime?model=m&api-key=hunter2hunter2',
    'https://host/blobs/a?expires=1&signature=hunter2hunter2',
    'https://account.blob.example/c/k?sv=1&sig=hunter2hunter2',
    'connect failed: postgresql://user:hunter2hunter2@host/db',
    'header was Bearer hunter2hunter2',
    'DefaultEndpointsProtocol=https;AccountKey=hunter2hunter2;X=1',
    'key sk-hunter2hunter2 is wrong',
    'key hf_hunter2hunter2hunter2 is wrong',
    'secret ek_hunter2hunter2hunter2 expired',
    'subprotocol openai-insecure-api-key.ek_hunter2hunter2hunter2',
  ])('masks the credential in %j', text => {
    expect(boundText(text)).not.toContain('hunter2');
    expect(boundText(text)).toContain('***');
  });

  it('keeps what only looks similar', () => {
    const fields = { input_tokens: 12, token_count: 3, key: 'user/2026/a.webm', model: 'm' };
    expect(boundFields(fields)).toEqual(fields);
    expect(boundText('https://host/v1/sessions?limit=5')).toBe('https://host/v1/sessions?limit=5');
  });

  it('keeps an absent secret visible as absent', () => {
    expect(boundFields({ api_key: null })).toEqual({ api_key: null });
  });
});

describe('bounds', () => {
  it('cuts long strings and notes how long they were', () => {
    const text = boundText('x'.repeat(STRING_MAX_CHARS + 1));
    expect(text).toHaveLength(STRING_MAX_CHARS + `…(${STRING_MAX_CHARS + 1} chars)`.length);
    expect(boundText('x'.repeat(STRING_MAX_CHARS))).toHaveLength(STRING_MAX_CHARS);
  });

  it('keeps the whole line within its budget', () => {
    const field = Array.from({ length: 1000 }, () => 'y'.repeat(5000));
    const fields = Object.fromEntries(field.map((value, index) => [`f${index}`, [value, value]]));
    expect(JSON.stringify(boundFields(fields)).length).toBeLessThan(LINE_MAX_CHARS * 2);
  });

  it('limits entries and depth', () => {
    const wide = Object.fromEntries(
      Array.from({ length: ENTRIES_MAX + 5 }, (_, i) => [`k${i}`, i]),
    );
    expect(Object.keys(boundFields(wide))).toHaveLength(ENTRIES_MAX + 1);
    let deep: Record<string, unknown> = { end: true };
    for (let i = 0; i < DEPTH_MAX * 3; i++) deep = { deep };
    expect(JSON.stringify(boundFields(deep))).toContain('[deep]');
  });

  it('takes anything without throwing', () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    const hostile = {
      get trap() {
        throw new Error('no');
      },
    };
    const fields = {
      circular,
      hostile,
      big: 1n,
      bytes: Buffer.alloc(9),
      date: new Date(Number.NaN),
    };
    const bounded = boundFields(fields);
    expect(bounded).toMatchObject({ hostile: '[unreadable]', big: '1', bytes: '[9 bytes]' });
    expect(() => JSON.stringify(bounded)).not.toThrow();
  });
});
