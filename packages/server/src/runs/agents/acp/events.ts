import type { NewEvent } from '../../../platform/log/index.ts';
import { TEXT_MAX_BYTES } from '../../../work/index.ts';
import { agentMessage, agentPlan, agentThought, toolFinished, toolStarted } from '../events.ts';
import { isObject, type Json, list, planItems, planStatus } from '../text.ts';

/**
 * ACP's `session/update` notifications as log events; one interpreter per prompt. Messages and
 * thoughts come in pieces that end with the next update of another kind.
 */
export class AcpUpdates {
  #kind: 'message' | 'thought' | null = null;
  #piece = '';
  #lastMessage = '';
  readonly #started = new Set<unknown>();
  readonly #finished = new Set<unknown>();

  get lastMessage(): string {
    return this.#lastMessage;
  }

  take(update: Json): (NewEvent | null)[] {
    switch (update.sessionUpdate) {
      case 'agent_message_chunk':
        return this.#append('message', update.content);
      case 'agent_thought_chunk':
        return this.#append('thought', update.content);
      case 'tool_call':
      case 'tool_call_update':
        return [...this.flush(), ...this.#tool(update)];
      case 'plan':
        return [
          ...this.flush(),
          agentPlan(
            planItems(update.entries, ({ content, status }) => ({
              text: content,
              status: planStatus(status),
            })),
          ),
        ];
      default:
        return [];
    }
  }

  /** Ends the open message or thought. */
  flush(): (NewEvent | null)[] {
    const event = this.#kind === 'thought' ? agentThought(this.#piece) : agentMessage(this.#piece);
    if (this.#kind === 'message' && event !== null) this.#lastMessage = this.#piece;
    this.#kind = null;
    this.#piece = '';
    return [event];
  }

  #append(kind: 'message' | 'thought', content: unknown): (NewEvent | null)[] {
    const before = this.#kind === kind ? [] : this.flush();
    this.#kind = kind;
    this.#piece = (this.#piece + textOf(content)).slice(0, TEXT_MAX_BYTES);
    return before;
  }

  #tool(update: Json): NewEvent[] {
    const { toolCallId: id, title, kind, rawInput, status } = update;
    const events: NewEvent[] = [];
    if (!this.#started.has(id)) {
      this.#started.add(id);
      events.push(
        toolStarted({
          id,
          name: typeof title === 'string' ? title : kind,
          kind: typeof kind === 'string' ? (KINDS[kind] ?? 'other') : null,
          input: rawInput,
        }),
      );
    }
    const isOver = status === 'completed' || status === 'failed';
    if (isOver && !this.#finished.has(id)) {
      this.#finished.add(id);
      const output = list(update.content).map(contentText).join('\n') || update.rawOutput;
      events.push(toolFinished({ id, ok: status === 'completed', output }));
    }
    return events;
  }
}

const KINDS: Readonly<Record<string, string>> = {
  read: 'read',
  edit: 'edit',
  delete: 'edit',
  move: 'edit',
  search: 'search',
  execute: 'execute',
  fetch: 'fetch',
};

function textOf(content: unknown): string {
  return isObject(content) && typeof content.text === 'string' ? content.text : '';
}

function contentText(part: unknown): string {
  if (!isObject(part)) return '';
  if (part.type === 'content') return textOf(part.content);
  return part.type === 'diff' ? `changed ${String(part.path)}` : '';
}
