import { describe, expect, it } from 'vitest';
import { type Model, parseCatalogue } from './catalogue.ts';
import { costUsd, dayOf, priceOn, worstCaseUsd } from './prices.ts';

function modelWith(prices: object[], rest: object = {}): Model {
  const endpoints = { e: { provider: 'compatible', url: 'http://127.0.0.1:9', auth: 'none' } };
  const model = { id: 'a', endpoint: 'e', protocols: ['responses'], prices, ...rest };
  return parseCatalogue({ default: 'a', endpoints, models: [model] }).models[0]!;
}

const early = { from: '2025-01-01', input_text: 2, output_text: 8 };
const late = { from: '2025-06-01', input_text: 1, cached_input: 0.1, output_text: 4 };

describe('the price on a day', () => {
  it.each([
    ['2024-12-31', null],
    ['2025-01-01', 2],
    ['2025-05-31', 2],
    ['2025-06-01', 1],
    ['2026-01-01', 1],
  ])('%s', (day, input) => {
    for (const prices of [
      [early, late],
      [late, early],
    ]) {
      expect(priceOn(modelWith(prices), day)?.input ?? null).toBe(input);
    }
  });

  it('is none without text prices, or in another currency', () => {
    const euros = { ...early, currency: 'EUR' };
    const audio = { from: '2025-01-01', input_audio: 1, output_audio: 1 };
    for (const prices of [[], [euros], [audio]]) {
      expect(priceOn(modelWith(prices), '2026-01-01')).toBeNull();
    }
  });

  it('goes by UTC', () => {
    expect(dayOf(Date.UTC(2026, 0, 1) - 1)).toBe('2025-12-31');
    expect(dayOf(Date.UTC(2026, 0, 1))).toBe('2026-01-01');
  });
});

describe('what a call costs', () => {
  const price = { input: 10, cached: 1, cacheWrite: 20, output: 100 };

  it('by its parts', () => {
    const usage = { input: 1_000, cached: 400, cacheWrites: 100, output: 10 };
    expect(costUsd(price, usage)).toBeCloseTo((500 * 10 + 400 + 2_000 + 1_000) / 1e6, 12);
  });

  it('never more than its worst case', () => {
    const model = modelWith([early], { max_output_tokens: 1_000, context_tokens: 5_000 });
    const worst = (rest: object) =>
      worstCaseUsd(price, model, {
        inputBytes: 2_000,
        refersToStored: false,
        maxOutputTokens: undefined,
        answers: 1,
        ...rest,
      });
    expect(worst({})).toBeCloseTo((2_000 * 20 + 1_000 * 100) / 1e6, 12);
    expect(worst({ maxOutputTokens: 10 })).toBeCloseTo((2_000 * 20 + 10 * 100) / 1e6, 12);
    expect(worst({ maxOutputTokens: 5_000 })).toBe(worst({}));
    expect(worst({ answers: 3 })).toBeCloseTo((2_000 * 20 + 3_000 * 100) / 1e6, 12);
    expect(worst({ refersToStored: true })).toBeCloseTo((5_000 * 20 + 1_000 * 100) / 1e6, 12);
  });
});
