import type { HostedTool } from '@holdfast/protocol';
import type { z } from 'zod';
import { HoldfastError } from '../../../kernel/index.ts';
import type { WorstCase } from '../../prices.ts';
import type { TextProtocol } from '../../text-upstream.ts';
import { chatRequest, inspectChat } from './chat.ts';
import { Findings } from './findings.ts';
import { geminiRequest, inspectGemini } from './gemini.ts';
import { inspectMessages, messagesRequest } from './messages.ts';
import { inspectResponses, responsesRequest } from './responses.ts';

/**
 * A request as the gateway understands it. Only this is sent on, written anew: a field that the
 * gateway does not know could have the provider reach something, or cost something, that nobody
 * allowed. So an unknown field, tool or type is refused, and two spellings of one key are one.
 */
export interface ReadRequest {
  readonly body: Readonly<Record<string, unknown>>;
  /** What the provider is asked to do itself, each with the field that asks for it. */
  readonly hosted: ReadonlyMap<HostedTool, string>;
  readonly worstCase: Omit<WorstCase, 'inputBytes'>;
}

/** Throws `invalid_request`, which names the field. */
export function readRequest(protocol: TextProtocol, value: unknown): ReadRequest {
  return READERS[protocol](value);
}

const READERS: Readonly<Record<TextProtocol, (value: unknown) => ReadRequest>> = {
  responses(value) {
    const body = checked(responsesRequest, value);
    const found = new Findings();
    inspectResponses(body, found);
    return read(body, found, { output: found.isUnlimited ? undefined : body.max_output_tokens });
  },
  chat(value) {
    const body = checked(chatRequest, value);
    const found = new Findings();
    inspectChat(body, found);
    const { max_completion_tokens, max_tokens, n, functions } = body;
    // Servers differ in which of the two they obey.
    const limits = [max_completion_tokens, max_tokens].filter(limit => typeof limit === 'number');
    const output = limits.length > 0 ? Math.max(...limits) : undefined;
    return read(body, found, { output, answers: n, hasTools: Boolean(functions?.length) });
  },
  messages(value) {
    const body = checked(messagesRequest, value);
    const found = new Findings();
    inspectMessages(body, found);
    const thought = body.thinking?.type === 'enabled' ? body.thinking.budget_tokens : undefined;
    return read(body, found, { output: body.max_tokens, thought });
  },
  gemini(value) {
    const body = checked(geminiRequest, value);
    const found = new Findings();
    inspectGemini(body, found);
    const { maxOutputTokens, candidateCount, thinkingConfig } = body.generationConfig ?? {};
    const thought = thinkingConfig?.thinkingBudget;
    return read(body, found, { output: maxOutputTokens, thought, answers: candidateCount });
  },
};

interface Limits {
  readonly output: number | null | undefined;
  readonly thought?: number | null | undefined;
  readonly answers?: number | null | undefined;
  readonly hasTools?: boolean;
}

function read(
  body: { readonly tools?: readonly unknown[] | null | undefined },
  found: Findings,
  { output, thought, answers, hasTools = false }: Limits,
): ReadRequest {
  const { hosted, images, isUnsized, knownTools } = found;
  return {
    body,
    hosted,
    worstCase: {
      images,
      isUnsized,
      describedTools: knownTools + (hasTools || body.tools?.length ? 1 : 0),
      // Zero is no limit at some providers.
      maxOutputTokens: output || undefined,
      thoughtTokens: thought ?? 0,
      answers: answers ?? 1,
    },
  };
}

const SHOWN_MAX_CHARS = 200;

function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const issue = error.issues[0]!;
  const keys = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const field = shown(fieldOf([...issue.path, ...keys]));
  const why =
    keys.length > 0
      ? 'The model gateway does not know this field, and sends on only what it knows.'
      : `The model gateway does not take this: ${shown(issue.message)}.`;
  throw new HoldfastError('invalid_request', `${field}: ${why}`, { field });
}

/** As in `messages[0].content[1].text`. */
function fieldOf(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      return index === 0 ? String(key) : `.${String(key)}`;
    })
    .join('');
}

function shown(text: string): string {
  return text.length > SHOWN_MAX_CHARS ? `${text.slice(0, SHOWN_MAX_CHARS)}…` : text;
}
