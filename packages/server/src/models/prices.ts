import type { Model, Price } from './catalogue.ts';

/** What one call used, as its provider reported it. */
export interface TokenUsage {
  /** All input, what came from a cache and what went into one included. */
  readonly input: number;
  readonly cached: number;
  readonly cacheWrites: number;
  readonly output: number;
}

export interface WorstCase {
  /** The request's body: a token is at least one byte. */
  readonly inputBytes: number;
  /** The request refers to input that is stored elsewhere, so its size is not known. */
  readonly refersToStored: boolean;
  /** What the request allows in one answer; undefined: as much as the model can. */
  readonly maxOutputTokens: number | undefined;
  /** Answers requested in one call. */
  readonly answers: number;
}

/** Prices of text in US dollars per million tokens, on one day. */
export interface TextPrice {
  readonly input: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly output: number;
}

const PER = 1_000_000;

/**
 * The price that holds on that day (UTC), or null when there is none: none begins so early, it has
 * no text prices, or it is in another currency than budgets are.
 */
export function priceOn(model: Model, day: string): TextPrice | null {
  const current = model.prices
    .filter(price => price.from <= day)
    .reduce<Price | undefined>(
      (latest, price) => (latest === undefined || price.from >= latest.from ? price : latest),
      undefined,
    );
  const { input_text: input, output_text: output } = current ?? {};
  if (input === undefined || output === undefined || current?.currency !== 'USD') return null;
  const { cached_input: cached = input, cache_write: cacheWrite = input } = current;
  return { input, cached, cacheWrite, output };
}

export function dayOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 10);
}

export function costUsd(price: TextPrice, usage: TokenUsage): number {
  const plain = Math.max(0, usage.input - usage.cached - usage.cacheWrites);
  const total =
    plain * price.input +
    usage.cached * price.cached +
    usage.cacheWrites * price.cacheWrite +
    usage.output * price.output;
  return total / PER;
}

/** The most that a call can cost. */
export function worstCaseUsd(price: TextPrice, model: Model, call: WorstCase): number {
  const stored = call.refersToStored ? model.context_tokens : 0;
  const input = Math.min(call.inputBytes + stored, Math.max(model.context_tokens, 1));
  const output = Math.min(call.maxOutputTokens ?? Infinity, model.max_output_tokens);
  const highest = Math.max(price.input, price.cached, price.cacheWrite);
  return (input * highest + output * call.answers * price.output) / PER;
}
