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
    const spoken = modelWith([audio], { protocols: ['realtime'] });
    for (const model of [modelWith([]), modelWith([euros]), spoken]) {
      expect(priceOn(model, '2026-01-01')).toBeNull();
    }
  });

  it.each([
    ['responses', { per_minute: 1 }, 'per_minute: is for realtime and transcription models only'],
    ['responses', { input_image: 1 }, 'input_image: is for realtime'],
    ['realtime', { cache_write: 1 }, 'cache_write: is for text models only'],
  ])('of %s refuses what it would ignore', (protocol, price, fault) => {
    const prices = [{ from: '2025-01-01', ...price }];
    expect(() => modelWith(prices, { protocols: [protocol] })).toThrow(fault);
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

  it('by the prices of long contexts, where its input is longer', () => {
    const long = { aboveTokens: 1_000, input: 20, cached: 2, cacheWrite: 40, output: 150 };
    const cost = (input: number) =>
      costUsd({ ...price, long }, { input, cached: 400, cacheWrites: 100, output: 10 });
    expect(cost(1_000)).toBeCloseTo((500 * 10 + 400 + 2_000 + 1_000) / 1e6, 12);
    expect(cost(1_001)).toBeCloseTo((501 * 20 + 800 + 4_000 + 1_500) / 1e6, 12);
  });

  it('never more than its worst case', () => {
    const model = modelWith([early], { max_output_tokens: 1_000, context_tokens: 5_000 });
    const worst = (rest: object, prices = price) =>
      worstCaseUsd(prices, model, {
        inputBytes: 2_000,
        isUnsized: false,
        images: 0,
        describedTools: 0,
        maxOutputTokens: undefined,
        thoughtTokens: 0,
        answers: 1,
        ...rest,
      });
    expect(worst({})).toBeCloseTo((2_000 * 20 + 1_000 * 100) / 1e6, 12);
    expect(worst({ maxOutputTokens: 10 })).toBeCloseTo((2_000 * 20 + 10 * 100) / 1e6, 12);
    expect(worst({ maxOutputTokens: 5_000 })).toBe(worst({}));
    expect(worst({ thoughtTokens: 999 })).toBe(worst({}));
    expect(worst({ thoughtTokens: 1_000 })).toBe(worst({ answers: 2 }));
    expect(worst({ answers: 3 })).toBeCloseTo((2_000 * 20 + 3_000 * 100) / 1e6, 12);
    expect(worst({ describedTools: 2 })).toBeCloseTo((4_000 * 20 + 1_000 * 100) / 1e6, 12);
    expect(worst({ isUnsized: true })).toBeCloseTo((5_000 * 20 + 1_000 * 100) / 1e6, 12);
    expect(worst({ images: 1 })).toBe(worst({ isUnsized: true }));
    const long = { aboveTokens: 2_000, input: 30, cached: 3, cacheWrite: 15, output: 150 };
    const both = { ...price, long };
    expect(worst({}, both)).toBe(worst({}));
    const above = { inputBytes: 2_001 };
    expect(worst(above, both)).toBeCloseTo((2_001 * 30 + 1_000 * 150) / 1e6, 12);
  });

  it('of a long context has the dearer of what is left out', () => {
    const long_context = { above_tokens: 9, input_text: 4, output_text: 16 };
    const [{ long } = {}] = [{ cache_write: 5 }, { cache_write: 3 }].map(
      rest => priceOn(modelWith([{ ...early, ...rest, long_context }]), '2026-01-01')!,
    );
    expect(long).toEqual({ aboveTokens: 9, input: 4, cached: 4, cacheWrite: 5, output: 16 });
  });
});
