import { setTimeout as delay } from 'node:timers/promises';
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, type LanguageModelUsage, type ModelMessage, streamText } from 'ai';
import { TOOLS } from './tools.ts';

/**
 * One streamed call of the model, repeated while that can help. A refusal of the token, the budget
 * or the request itself is final at once.
 */
export const MODEL_ATTEMPTS_MAX = 6;
const RETRY_FIRST_MS = 500;
const RETRY_AFTER_MAX_MS = 30_000;
/** A model that is silent for so long is called again. */
const MODEL_SILENCE_MS = 120_000;
const BUDGET_CODE = 'budget_exceeded';

interface ModelOptions {
  readonly baseUrl: string;
  readonly token: string;
  readonly model: string;
  readonly signal: AbortSignal;
  onRetry(attempt: number, status: number | null, message: string): void;
}

export interface ModelAnswer {
  readonly text: string;
  readonly thought: string;
  readonly messages: readonly ModelMessage[];
  readonly finishReason: string;
  readonly usage: LanguageModelUsage;
}

export class ModelFailure extends Error {
  override readonly name = 'ModelFailure';
  readonly reason: 'agent_error' | 'budget';

  constructor(message: string, reason: 'agent_error' | 'budget') {
    super(message);
    this.reason = reason;
  }
}

export type Model = (
  instructions: string,
  messages: readonly ModelMessage[],
) => Promise<ModelAnswer>;

/** Calls throw `ModelFailure`, or the reason of `signal` once it is aborted. */
export function openModel(options: ModelOptions): Model {
  const { baseUrl, token, model, signal, onRetry } = options;
  const provider = createOpenAI({ baseURL: baseUrl, apiKey: token });
  const language = provider.responses(model);
  return async (instructions, messages) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await callOnce(language, { instructions, messages, signal });
      } catch (error) {
        signal.throwIfAborted();
        const failure = describe(error);
        if (failure.isFinal || attempt >= MODEL_ATTEMPTS_MAX) {
          throw new ModelFailure(failure.message, failure.reason);
        }
        onRetry(attempt, failure.status, failure.message);
        const waitMs = failure.retryAfterMs ?? RETRY_FIRST_MS * 2 ** (attempt - 1);
        await delay(waitMs, undefined, { signal });
      }
    }
  };
}

interface Call {
  readonly instructions: string;
  readonly messages: readonly ModelMessage[];
  readonly signal: AbortSignal;
}

async function callOnce(
  model: Parameters<typeof streamText>[0]['model'],
  { instructions, messages, signal }: Call,
): Promise<ModelAnswer> {
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
  };
  const result = streamText({
    model,
    instructions,
    messages: [...messages],
    tools: TOOLS,
    maxRetries: 0,
    abortSignal: signal,
    timeout: { firstChunkMs: MODEL_SILENCE_MS, chunkMs: MODEL_SILENCE_MS },
    // The gateway may lead to an endpoint that stores nothing, so no reference by id is sent.
    providerOptions: { openai: { store: false } },
    onError: ({ error }) => fail(error),
  });
  await result.consumeStream({ onError: fail });
  if (failure !== undefined) throw failure;
  return {
    text: await result.text,
    thought: (await result.reasoningText) ?? '',
    messages: await result.responseMessages,
    finishReason: await result.finishReason,
    usage: await result.usage,
  };
}

interface Failure {
  readonly isFinal: boolean;
  readonly status: number | null;
  readonly message: string;
  readonly reason: 'agent_error' | 'budget';
  readonly retryAfterMs: number | null;
}

function describe(error: unknown): Failure {
  const message = error instanceof Error ? error.message : 'The model failed.';
  if (!APICallError.isInstance(error)) {
    return { isFinal: false, status: null, message, reason: 'agent_error', retryAfterMs: null };
  }
  const status = error.statusCode ?? null;
  const budget = error.responseBody?.includes(BUDGET_CODE) || status === 402;
  const worthAnother = status === null || status === 408 || status === 429 || status >= 500;
  return {
    isFinal: budget || !worthAnother,
    status,
    message: status === null ? message : `The model answered ${status}: ${message}`,
    reason: budget ? 'budget' : 'agent_error',
    retryAfterMs: retryAfterMs(error.responseHeaders ?? {}),
  };
}

function retryAfterMs(headers: Readonly<Record<string, string>>): number | null {
  const ms = Number(headers['retry-after-ms'] ?? Number.NaN);
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  const waitMs = Number.isFinite(ms) ? ms : seconds * 1000;
  return Number.isFinite(waitMs) ? Math.min(Math.max(0, waitMs), RETRY_AFTER_MAX_MS) : null;
}
