import { expect, it } from 'vitest';
import { Recent } from './recent.ts';

const texts = (recent: Recent) => recent.take().map(({ payload }) => payload.toString());

it('keeps the newest, whole and in their order, and nothing twice', () => {
  const recent = new Recent();
  const sent = Array.from({ length: 1_000 }, (_, n) => `${n} `.repeat(200));
  for (const text of sent) recent.push(Buffer.from(text), 7);
  const kept = texts(recent);
  expect(kept).toEqual(sent.slice(-kept.length));
  const sizeBytes = kept.join('').length;
  expect(sizeBytes).toBeGreaterThan(47 * 1024);
  expect(sizeBytes).toBeLessThanOrEqual(96 * 1024);
  expect(texts(recent)).toEqual([]);
  recent.push(Buffer.from('again'), 0);
  expect(texts(recent)).toEqual(['again']);
});

it('keeps one that is longer than all others together', () => {
  const recent = new Recent();
  recent.push(Buffer.from('before'), 0);
  recent.push(Buffer.alloc(100_000, 'x'), 0);
  recent.push(Buffer.from('after'), 0);
  expect(texts(recent).map(text => text.length)).toEqual([100_000, 5]);
});
