import type { ModelMessage, ToolContent } from 'ai';

/**
 * Bounds the conversation that goes to the model. Beyond `CONTEXT_MAX_CHARS`, older results of
 * tools are shortened: the model has acted on them and can look again. The session keeps the
 * shortened form, so that its file stays bounded too.
 */
export const CONTEXT_MAX_CHARS = 400_000;
/** The latest messages stay whole. */
export const RECENT_MESSAGES = 8;
const SHORTENED_MAX_CHARS = 400;
const NOTE = '\n[… shortened; use the tool again to see it all]';

export function bounded(messages: readonly ModelMessage[]): ModelMessage[] {
  const kept = [...messages];
  let sizeChars = sizeOf(kept);
  for (let at = 0; at < kept.length - RECENT_MESSAGES; at++) {
    if (sizeChars <= CONTEXT_MAX_CHARS) break;
    const shorter = shortened(kept[at]!);
    sizeChars -= sizeOf([kept[at]!]) - sizeOf([shorter]);
    kept[at] = shorter;
  }
  return kept;
}

const sizeOf = (messages: readonly ModelMessage[]): number => JSON.stringify(messages).length;

function shortened(message: ModelMessage): ModelMessage {
  if (message.role === 'tool') return { ...message, content: message.content.map(shortResult) };
  if (message.role !== 'assistant' || typeof message.content === 'string') return message;
  const content = message.content.map(part =>
    part.type === 'tool-call' ? { ...part, input: shortInput(part.input) } : part,
  );
  return { ...message, content };
}

function shortResult(part: ToolContent[number]): ToolContent[number] {
  if (part.type !== 'tool-result') return part;
  const { output } = part;
  if (output.type !== 'text' && output.type !== 'error-text') return part;
  return { ...part, output: { ...output, value: cut(output.value) } };
}

/** The workspace has the files that earlier calls wrote. */
function shortInput(input: unknown): unknown {
  if (typeof input !== 'object' || input === null) return input;
  const entries = Object.entries(input).map(([key, value]) => [
    key,
    typeof value === 'string' ? cut(value) : value,
  ]);
  return Object.fromEntries(entries);
}

const cut = (value: string): string =>
  value.length <= SHORTENED_MAX_CHARS + NOTE.length
    ? value
    : value.slice(0, SHORTENED_MAX_CHARS) + NOTE;
