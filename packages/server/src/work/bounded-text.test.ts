import { EVENT_DATA_MAX_BYTES } from '@holdfast/protocol';
import { expect, it } from 'vitest';
import { checkEvent } from '../platform/log/index.ts';
import { boundedText, cutToJsonBytes, TEXT_MAX_BYTES } from './bounded-text.ts';

const bytes = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2;

it('leaves what fits, at the bound', () => {
  expect(cutToJsonBytes('x'.repeat(100), 100, 'start')).toBe('x'.repeat(100));
  expect(cutToJsonBytes('x'.repeat(101), 100, 'start')).toBe(`${'x'.repeat(97)}…`);
});

it.each(['\u0000', '"', 'é', '漢', '😀', 'a😀\u001b['])('bounds the JSON of %j', piece => {
  const text = piece.repeat(500);
  for (const keep of ['start', 'end'] as const) {
    const cut = cutToJsonBytes(text, 300, keep);
    expect(bytes(cut)).toBeLessThanOrEqual(300);
    expect(bytes(cut)).toBeGreaterThan(280);
    expect(cut.isWellFormed()).toBe(true);
    expect(keep === 'start' ? cut.endsWith('…') : cut.startsWith('…')).toBe(true);
  }
});

it.each(['x', 'あ', '\u0000', '😀', '"'])('cuts a text of %j to what an event may hold', char => {
  const cut = boundedText(char.repeat(100_000));
  const sizeBytes = Buffer.byteLength(JSON.stringify(cut));
  expect(sizeBytes).toBeLessThanOrEqual(TEXT_MAX_BYTES);
  expect(sizeBytes).toBeGreaterThan(TEXT_MAX_BYTES / 2);
  expect(TEXT_MAX_BYTES).toBeLessThan(EVENT_DATA_MAX_BYTES);
  const event = { type: 'transcript.user' as const, data: { item_id: 'i', usage_seconds: null } };
  expect(() => checkEvent({ ...event, private: { text: cut } })).not.toThrow();
});
