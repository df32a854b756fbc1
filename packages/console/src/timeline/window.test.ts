import { describe, expect, it } from 'vitest';
import type { Mark, Span } from './build.ts';
import { foldMarks, foldSpans } from './fold.ts';
import { HUES, hueOf } from './hues.ts';
import { CLOSEST_MS, clampWindow, pan, reveal, ticks, toX, wholeWindow, zoom } from './window.ts';

const whole = { fromMs: 0, toMs: 100_000 };
const length = (w: { fromMs: number; toMs: number }) => w.toMs - w.fromMs;

describe('the window', () => {
  it('zooms around a moment that stays where it is', () => {
    const half = zoom(whole, whole, { factor: 0.5, aroundMs: 25_000 });
    expect(length(half)).toBe(50_000);
    expect(toX(half, 1000)(25_000)).toBeCloseTo(toX(whole, 1000)(25_000));
  });

  it('stays within the timeline and above the closest zoom', () => {
    let window = whole;
    for (let i = 0; i < 50; i++) window = zoom(window, whole, { factor: 0.5, aroundMs: 99_999 });
    expect(length(window)).toBe(CLOSEST_MS);
    expect(window.toMs).toBeLessThanOrEqual(whole.toMs);
    for (let i = 0; i < 50; i++) window = zoom(window, whole, { factor: 2, aroundMs: 3 });
    expect(window).toEqual(whole);
    expect(pan({ fromMs: 0, toMs: 10_000 }, whole, -5000)).toEqual({ fromMs: 0, toMs: 10_000 });
    expect(pan({ fromMs: 0, toMs: 10_000 }, whole, 1e9)).toEqual({ fromMs: 90_000, toMs: 100_000 });
    expect(clampWindow({ fromMs: -9, toMs: 1e9 }, whole)).toEqual(whole);
  });

  it('moves just far enough to show something', () => {
    const window = { fromMs: 20_000, toMs: 30_000 };
    expect(reveal(window, whole, 25_000)).toBe(window);
    expect(reveal(window, whole, 40_000)).toEqual({ fromMs: 30_500, toMs: 40_500 });
    expect(reveal(window, whole, 10_000)).toEqual({ fromMs: 9500, toMs: 19_500 });
  });

  it('shows even the shortest work', () => {
    expect(length(wholeWindow({ startMs: 5, endMs: 5 }))).toBeGreaterThanOrEqual(CLOSEST_MS);
  });
});

describe('ticks', () => {
  it('are round, from the start of the work, and not too close', () => {
    expect(ticks({ fromMs: 1000, toMs: 61_000 }, 600, 1000)).toEqual([
      0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000,
    ]);
    expect(ticks({ fromMs: 0, toMs: 3_600_000 }, 300, 0)).toEqual([0, 1_800_000, 3_600_000]);
    for (const width of [1, 320, 1200, 4000]) {
      for (const span of [2000, 60_000, 3_600_000, 86_400_000]) {
        expect(ticks({ fromMs: 0, toMs: span }, width, 0).length).toBeLessThan(width / 80 + 5);
      }
    }
  });
});

describe('folding', () => {
  const mark = (seq: number, shape: Mark['shape'] = 'dot'): Mark => ({
    seq,
    atMs: seq,
    type: 't',
    shape,
  });
  const span = (seq: number, startMs: number, endMs: number): Span => ({
    seq,
    startMs,
    endMs,
    open: false,
    text: 'x',
    cut: false,
  });

  it('joins marks that would overlap, under the gravest shape', () => {
    const marks = [mark(0), mark(3, 'life'), mark(6, 'error'), mark(50)];
    const folded = foldMarks(marks, x => x, 100);
    expect(folded.map(({ shape, marks }) => [shape, marks.length])).toEqual([
      ['error', 3],
      ['dot', 1],
    ]);
  });

  it('leaves out what is outside of the window', () => {
    expect(foldMarks([mark(-50), mark(500)], x => x, 100)).toEqual([]);
    expect(foldSpans([span(1, -90, -50), span(2, 200, 300)], x => x, 100)).toEqual([]);
  });

  it('reports how far the text of a span may run', () => {
    const folded = foldSpans([span(1, 0, 10), span(2, 60, 80)], x => x, 100);
    expect(folded.map(({ x, width, room }) => [x, width, room])).toEqual([
      [0, 10, 60],
      [60, 20, 40],
    ]);
  });

  it('bounds the number of shapes by the width, whatever the length of the log', () => {
    const many = Array.from({ length: 50_000 }, (_, i) => span(i, i * 10, i * 10 + 6));
    const folded = foldSpans(many, ms => ms / 500, 1000);
    expect(folded.length).toBeLessThan(1000);
    expect(folded.reduce((sum, shape) => sum + shape.count, 0)).toBe(50_000);
    const marks = Array.from({ length: 50_000 }, (_, i) => mark(i));
    expect(foldMarks(marks, ms => ms / 50, 1000).length).toBeLessThan(120);
  });
});

describe('hueOf', () => {
  it('gives a server the same colour each time', () => {
    expect(hueOf('rep_1')).toBe(hueOf('rep_1'));
    const hues = new Set(Array.from({ length: 60 }, (_, i) => hueOf(`rep_${i}`)));
    expect(hues.size).toBe(HUES);
  });
});
