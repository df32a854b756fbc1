import type { TokenUsage } from '../prices.ts';
import type { TextProtocol } from '../text-upstream.ts';

/**
 * Reads the usage out of a provider's answers: `add` takes a whole answer or one event of a stream,
 * `final` has the sum once the provider has reported all of it.
 */
export interface UsageReader {
  add(value: unknown): void;
  final(): TokenUsage | null;
}

type Json = Readonly<Record<string, unknown>>;

export function createUsageReader(protocol: TextProtocol): UsageReader {
  let seen: Partial<TokenUsage> = {};
  let isFinal = false;
  return {
    add(value) {
      const found = READERS[protocol](objectOf(value));
      if (found === undefined) return;
      seen = { ...seen, ...found.usage };
      isFinal ||= found.final;
    },
    final() {
      const { input, output, cached = 0, cacheWrites = 0 } = seen;
      if (!isFinal || input === undefined || output === undefined) return null;
      return { input, output, cached, cacheWrites };
    },
  };
}

interface Found {
  readonly usage: Partial<TokenUsage>;
  readonly final: boolean;
}

const READERS: Readonly<Record<TextProtocol, (value: Json) => Found | undefined>> = {
  responses(value) {
    const usage = objectOf(objectOf(value.response).usage ?? value.usage);
    if (usage.input_tokens === undefined) return undefined;
    const { cached_tokens, cache_write_tokens } = objectOf(usage.input_tokens_details);
    return {
      final: true,
      usage: {
        input: count(usage.input_tokens),
        cached: count(cached_tokens),
        cacheWrites: count(cache_write_tokens),
        output: count(usage.output_tokens),
      },
    };
  },

  chat(value) {
    const usage = objectOf(value.usage);
    if (usage.prompt_tokens === undefined) return undefined;
    const { cached_tokens, cache_write_tokens } = objectOf(usage.prompt_tokens_details);
    return {
      final: true,
      usage: {
        input: count(usage.prompt_tokens),
        cached: count(cached_tokens),
        cacheWrites: count(cache_write_tokens),
        output: count(usage.completion_tokens),
      },
    };
  },

  /** The first event of a stream has the input, the last the output; caches count separately. */
  messages(value) {
    const opened = objectOf(value.message).usage;
    const usage = objectOf(opened ?? value.usage);
    if (usage.input_tokens === undefined && usage.output_tokens === undefined) return undefined;
    const final = opened === undefined;
    const output = { output: count(usage.output_tokens) };
    if (usage.input_tokens === undefined) return { final, usage: output };
    const cached = count(usage.cache_read_input_tokens);
    const cacheWrites = count(usage.cache_creation_input_tokens);
    const input = count(usage.input_tokens) + cached + cacheWrites;
    return { final, usage: { input, cached, cacheWrites, ...output } };
  },

  /** Every chunk has the counts so far; the last one has the reason it ended. */
  gemini(value) {
    const usage = objectOf(value.usageMetadata);
    if (usage.promptTokenCount === undefined) return undefined;
    const candidates = Array.isArray(value.candidates) ? value.candidates : [];
    const blocked = objectOf(value.promptFeedback).blockReason !== undefined;
    return {
      final: blocked || candidates.some(one => objectOf(one).finishReason !== undefined),
      usage: {
        input: count(usage.promptTokenCount) + count(usage.toolUsePromptTokenCount),
        cached: count(usage.cachedContentTokenCount),
        output: count(usage.candidatesTokenCount) + count(usage.thoughtsTokenCount),
      },
    };
  },
};

function count(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}
