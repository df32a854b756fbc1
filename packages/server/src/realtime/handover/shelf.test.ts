import { expect, it } from 'vitest';
import { type Kept, Shelf } from './shelf.ts';

it('keeps what it was given, whatever else comes and goes', () => {
  const shelf = new Shelf();
  const kept: { text: string; kept: Kept }[] = [];
  const blocks = new Set<unknown>();
  for (let n = 0; n < 5_000; n += 1) {
    const text = `${n} `.repeat(50 + (n % 400));
    kept.push({ text, kept: shelf.keep(Buffer.from(text)) });
    blocks.add(kept.at(-1)!.kept.block);
    // Not in their order: every third goes long before the others.
    const gone = n % 3 === 0 ? kept.splice(-1) : kept.length > 300 ? kept.splice(0, 2) : [];
    for (const { text, kept } of gone) {
      expect(kept.bytes.toString()).toBe(text);
      shelf.giveBack(kept);
    }
  }
  for (const { text, kept: one } of kept) expect(one.bytes.toString()).toBe(text);
  // Some 5 MB came, at most 300 KB of it at a time.
  expect(blocks.size).toBeLessThan(10);
});

it('gives long ones memory of their own', () => {
  const long = new Shelf().keep(Buffer.alloc(100_000, 1));
  expect(long).toMatchObject({ block: null });
  expect(long.bytes).toHaveLength(100_000);
});
