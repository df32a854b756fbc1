/**
 * A conversation as the coding model sees it, in any protocol: its last instruction, which
 * tools it was offered, and what it has called since.
 */
export interface OfferedTool {
  readonly name: string;
  /** `custom` tools take text, `function` tools an object. */
  readonly kind: 'function' | 'custom';
  /** Names and JSON types of its parameters. */
  readonly parameters: ReadonlyMap<string, JsonSchema>;
  readonly required: readonly string[];
}

export type JsonSchema = Readonly<Record<string, unknown>>;

/** A call to make: `input` is text for custom tools. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly kind: 'function' | 'custom';
  readonly input: Record<string, unknown> | string;
}

export interface PastCall {
  readonly name: string;
  readonly input: unknown;
  readonly output: string;
}

export interface Conversation {
  readonly model: string;
  /** The user's last message, without what their tool put around it; '' without one. */
  readonly instruction: string;
  /** The first instruction of the conversation, where it is another one. */
  readonly firstInstruction: string | null;
  readonly tools: readonly OfferedTool[];
  /** Answered calls since that instruction, oldest first. */
  readonly calls: readonly PastCall[];
  /** The working folder that the caller names, or null. */
  readonly workingDirectory: string | null;
  /** Set when the answer must be JSON of this shape and tools are not to be used. */
  readonly answerSchema: JsonSchema | null;
}

export interface Decision {
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

/** What protocols feed in, in order; made into a conversation by `conversationOf`. */
export type Entry =
  | { readonly kind: 'system'; readonly text: string }
  | { readonly kind: 'user'; readonly texts: readonly string[] }
  | { readonly kind: 'call'; readonly id: string; readonly name: string; readonly input: unknown }
  | { readonly kind: 'result'; readonly id: string; readonly output: string };

const DIRECTORY = /(?:[Ww]orking directory(?: is)?:?|<cwd>)\s*`?(\/[^\s`<]*)/;

export function conversationOf(
  entries: readonly Entry[],
  rest: Pick<Conversation, 'model' | 'tools' | 'answerSchema'>,
): Conversation {
  let instruction = '';
  let firstInstruction: string | null = null;
  let workingDirectory: string | null = null;
  let pending = new Map<string, { name: string; input: unknown }>();
  let calls: PastCall[] = [];
  for (const entry of entries) {
    if (entry.kind === 'system' || entry.kind === 'user') {
      const texts = entry.kind === 'system' ? [entry.text] : entry.texts;
      workingDirectory ??= DIRECTORY.exec(texts.join('\n'))?.[1] ?? null;
      const said = entry.kind === 'user' ? entry.texts.filter(isSaid).join('\n').trim() : '';
      if (said === '') continue;
      if (instruction !== '') firstInstruction ??= instruction;
      instruction = said;
      calls = [];
      pending = new Map();
    } else if (entry.kind === 'call') {
      pending.set(entry.id, { name: entry.name, input: entry.input });
    } else {
      const call = pending.get(entry.id);
      if (call !== undefined) calls.push({ ...call, output: entry.output });
    }
  }
  return { ...rest, instruction, firstInstruction, workingDirectory, calls };
}

/** Agents put their own additions in tags, or below the heading `# AGENTS.md`. */
function isSaid(text: string): boolean {
  return text.trim() !== '' && !/^\s*(<[a-z][\w-]*[\s>]|# AGENTS\.md)/.test(text);
}

/** The parameters of a JSON Schema object, in any letter case of its types. */
export function offeredTool(
  name: string,
  schema: unknown,
  kind: OfferedTool['kind'] = 'function',
): OfferedTool {
  const { properties, required } = (schema ?? {}) as {
    properties?: Record<string, JsonSchema>;
    required?: unknown;
  };
  return {
    name,
    kind,
    parameters: new Map(Object.entries(properties ?? {})),
    required: Array.isArray(required) ? required.map(String) : [],
  };
}
