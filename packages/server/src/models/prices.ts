import type { Model, Price } from './catalogue.ts';

/** What one call used, as its provider reported it. */
export interface TokenUsage {
  /** All input, what came from a cache and what went into one included. */
  readonly input: number;
  readonly cached: number;
  readonly cacheWrites: number;
  readonly output: number;
}

/** What a request allows, as far as it shows. */
export interface WorstCase {
  /** The request's body: a token of text is at least one byte. */
  readonly inputBytes: number;
  /** Some input stands elsewhere, or is packed, so that the whole context may be filled. */
  readonly isUnsized: boolean;
  /** Images in the body, whose tokens depend on their sides and not on their bytes. */
  readonly images: number;
  /** Times that the provider adds a text of its own about tools. */
  readonly describedTools: number;
  /** What the request allows in one answer; undefined: as much as the model can. */
  readonly maxOutputTokens: number | undefined;
  /** What it allows for thinking: a part of the answer, unless it may be longer than that. */
  readonly thoughtTokens: number;
  /** Answers requested in one call. */
  readonly answers: number;
}

/** The dearest image of any provider: eight tiles of 5,667 tokens and 2,833, at OpenAI. */
const IMAGE_MAX_TOKENS = 50_000;
/** Anthropic's longest text about tools is some 800 tokens. */
const TOOLS_TEXT_MAX_TOKENS = 1_000;

interface Rates {
  readonly input: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly output: number;
}

/** Prices of text in US dollars per million tokens, on one day. */
export interface TextPrice extends Rates {
  /** Of calls with more input than `aboveTokens`, for all that they read and write. */
  readonly long?: Rates & { readonly aboveTokens: number };
}

const PER = 1_000_000;

/** The price in US dollars, as budgets are, that holds on that day (UTC); undefined: none. */
export function currentPrice(prices: readonly Price[], day: string): Price | undefined {
  const current = prices
    .filter(price => price.from <= day)
    .reduce<Price | undefined>(
      (latest, price) => (latest === undefined || price.from >= latest.from ? price : latest),
      undefined,
    );
  return current?.currency === 'USD' ? current : undefined;
}

/** The prices of text that hold on that day (UTC), or null when there are none. */
export function priceOn(model: Pick<Model, 'prices'>, day: string): TextPrice | null {
  const current = currentPrice(model.prices, day);
  const { input_text: input, output_text: output } = current ?? {};
  if (current === undefined || input === undefined || output === undefined) return null;
  const { cached_input: cached = input, cache_write: cacheWrite = input } = current;
  const { long_context: long } = current;
  return {
    ...{ input, cached, cacheWrite, output },
    ...(long && {
      long: {
        aboveTokens: long.above_tokens,
        input: long.input_text,
        cached: long.cached_input ?? long.input_text,
        cacheWrite: long.cache_write ?? Math.max(long.input_text, cacheWrite),
        output: long.output_text,
      },
    }),
  };
}

export function dayOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 10);
}

export function costUsd(price: TextPrice, usage: TokenUsage): number {
  const { long } = price;
  const rates = long !== undefined && usage.input > long.aboveTokens ? long : price;
  const plain = Math.max(0, usage.input - usage.cached - usage.cacheWrites);
  const total =
    plain * rates.input +
    usage.cached * rates.cached +
    usage.cacheWrites * rates.cacheWrite +
    usage.output * rates.output;
  return total / PER;
}

/** The most that a call can cost. */
export function worstCaseUsd(price: TextPrice, model: Model, call: WorstCase): number {
  const unseen =
    call.images * IMAGE_MAX_TOKENS +
    call.describedTools * TOOLS_TEXT_MAX_TOKENS +
    (call.isUnsized ? model.context_tokens : 0);
  const input = Math.min(call.inputBytes + unseen, model.context_tokens);
  const limit = Math.min(call.maxOutputTokens ?? Infinity, model.max_output_tokens);
  const output = call.thoughtTokens >= limit ? limit + call.thoughtTokens : limit;
  const { long } = price;
  const possible = long !== undefined && input > long.aboveTokens ? [price, long] : [price];
  const highest = Math.max(
    ...possible.flatMap(rates => [rates.input, rates.cached, rates.cacheWrite]),
  );
  const written = Math.max(...possible.map(rates => rates.output));
  return (input * highest + output * call.answers * written) / PER;
}
