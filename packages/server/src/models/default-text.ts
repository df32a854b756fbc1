import type { CatalogueInput } from './catalogue.ts';

/**
 * The coding models of the catalogue that is built from settings, with list prices per million
 * tokens as they were on the day `PRICES_CHECKED`. Names that the agents' command lines send by
 * default lead to the nearest of them; for exact models, write a `models.json`.
 */
export interface DefaultTextSettings {
  readonly openai?: { readonly url: string; readonly apiKeySecret: string } | undefined;
  /** `url` left out: the provider's own. */
  readonly anthropic?: { readonly url?: string; readonly apiKeySecret: string } | undefined;
  readonly gemini?: { readonly url?: string; readonly apiKeySecret: string } | undefined;
}

type TextPart = Pick<CatalogueInput, 'endpoints' | 'models'>;
type ModelInput = CatalogueInput['models'][number];
type Prices = readonly [input: number, cached: number, output: number, cacheWrite?: number];

const PRICED_FROM = '2025-01-01';
const PRICES_CHECKED = '2026-11-25';
/** Input above which Anthropic and Google ask the prices of long contexts. */
const LONG_TOKENS = 200_000;

function prices(base: Prices, long?: Prices) {
  const rest = long && { long_context: { above_tokens: LONG_TOKENS, ...named(long) } };
  return [{ from: PRICED_FROM, checked: PRICES_CHECKED, ...named(base), ...rest }];
}

function named([input_text, cached_input, output_text, cache_write]: Prices) {
  const price = { input_text, cached_input, output_text };
  return cache_write === undefined ? price : { ...price, cache_write };
}

const OPENAI_MODELS: readonly Omit<ModelInput, 'endpoint'>[] = [
  {
    id: 'gpt-5.1-codex',
    aliases: ['gpt-5', 'gpt-5.*', 'gpt-5-codex*', 'gpt-6*', 'codex-*'],
    protocols: ['responses', 'chat'],
    context_tokens: 400_000,
    prices: prices([1.25, 0.125, 10]),
  },
  {
    id: 'gpt-5.1-codex-mini',
    aliases: ['gpt-5-mini*', 'gpt-5-nano*', 'codex-mini*'],
    protocols: ['responses', 'chat'],
    context_tokens: 400_000,
    prices: prices([0.25, 0.025, 2]),
  },
];

const ANTHROPIC_MODELS: readonly Omit<ModelInput, 'endpoint'>[] = [
  {
    id: 'claude-sonnet-4-5',
    aliases: ['claude-*', 'sonnet'],
    protocols: ['messages'],
    max_output_tokens: 64_000,
    prices: prices([3, 0.3, 15, 6], [6, 0.6, 22.5, 12]),
  },
  {
    id: 'claude-opus-4-5',
    aliases: ['claude-opus-*', 'opus'],
    protocols: ['messages'],
    max_output_tokens: 64_000,
    prices: prices([5, 0.5, 25, 10]),
  },
  {
    id: 'claude-haiku-4-5',
    aliases: ['claude-haiku-*', 'claude-3-5-haiku*', 'haiku'],
    protocols: ['messages'],
    max_output_tokens: 64_000,
    prices: prices([1, 0.1, 5, 2]),
  },
];

const GEMINI_MODELS: readonly Omit<ModelInput, 'endpoint'>[] = [
  {
    id: 'gemini-2.5-pro',
    aliases: ['gemini-*'],
    protocols: ['gemini'],
    max_output_tokens: 65_536,
    prices: prices([1.25, 0.125, 10], [2.5, 0.25, 15]),
  },
  {
    id: 'gemini-2.5-flash',
    aliases: ['gemini-2.5-flash-*', 'gemini-3-flash*', 'gemini-flash*'],
    protocols: ['gemini'],
    max_output_tokens: 65_536,
    prices: prices([0.3, 0.075, 2.5]),
  },
];

export function defaultTextModels(settings: DefaultTextSettings): TextPart {
  const { openai, anthropic, gemini } = settings;
  const endpoints: CatalogueInput['endpoints'] = {};
  const models: ModelInput[] = [];
  const add = (endpoint: string, known: readonly Omit<ModelInput, 'endpoint'>[]) =>
    models.push(...known.map(model => ({ ...model, endpoint })));
  if (openai) {
    endpoints.openai = {
      provider: 'compatible',
      url: openai.url,
      api_key_secret: openai.apiKeySecret,
    };
    add('openai', OPENAI_MODELS);
  }
  if (anthropic) {
    const { url, apiKeySecret } = anthropic;
    endpoints.anthropic = { provider: 'anthropic', url, api_key_secret: apiKeySecret };
    add('anthropic', ANTHROPIC_MODELS);
  }
  if (gemini) {
    const { url, apiKeySecret } = gemini;
    endpoints.gemini = { provider: 'gemini', url, api_key_secret: apiKeySecret };
    add('gemini', GEMINI_MODELS);
  }
  return { endpoints, models };
}
