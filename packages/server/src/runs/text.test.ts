import { expect, it } from 'vitest';
import { cutToJsonBytes } from './text.ts';

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
