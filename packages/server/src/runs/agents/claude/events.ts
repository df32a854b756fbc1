import type { NewEvent } from '../../../platform/log/index.ts';
import type { Interpretation } from '../conversation.ts';
import {
  agentMessage,
  agentPlan,
  agentRetrying,
  agentSession,
  agentThought,
  failed,
  succeeded,
  toolFinished,
  toolStarted,
} from '../events.ts';
import { isObject, type Json, list, planItems, planStatus } from '../text.ts';

/** Claude Code's `stream-json` as log events. Null: not of this interface. */
export function interpret(message: Json): Interpretation | null {
  switch (message.type) {
    case 'system':
      return { events: [systemEvent(message)] };
    case 'assistant':
      return { events: isSynthetic(message) ? [] : blocks(message).flatMap(assistantBlock) };
    case 'user':
      return { events: blocks(message).map(userBlock) };
    case 'result':
      return result(message);
    default:
      return typeof message.type === 'string' ? {} : null;
  }
}

/** Claude Code reports an error of the model twice: in a message of this kind and in the result. */
const isSynthetic = ({ message }: Json): boolean =>
  isObject(message) && message.model === '<synthetic>';

function systemEvent(message: Json): NewEvent | null {
  if (message.subtype === 'init') return agentSession(message.session_id, message.model);
  if (message.subtype !== 'api_retry') return null;
  return agentRetrying(message.attempt, message.error_status, message.error);
}

function blocks({ message }: Json): Json[] {
  return list(isObject(message) ? message.content : undefined).filter(isObject);
}

function assistantBlock(block: Json): (NewEvent | null)[] {
  switch (block.type) {
    case 'text':
      return [agentMessage(block.text)];
    case 'thinking':
      return [agentThought(block.thinking)];
    case 'tool_use': {
      const { id, name, input } = block;
      const started = toolStarted({ id, name, kind: KINDS[String(name)] ?? null, input });
      if (name !== 'TodoWrite' || !isObject(input)) return [started];
      const items = planItems(input.todos, todo => ({
        text: todo.content,
        status: planStatus(todo.status),
      }));
      return [started, agentPlan(items)];
    }
    default:
      return [];
  }
}

const KINDS: Readonly<Record<string, string>> = {
  Bash: 'execute',
  Edit: 'edit',
  Write: 'edit',
  NotebookEdit: 'edit',
  Read: 'read',
  Glob: 'search',
  Grep: 'search',
  WebFetch: 'fetch',
  WebSearch: 'fetch',
  TodoWrite: 'plan',
};

function userBlock(block: Json): NewEvent | null {
  if (block.type !== 'tool_result') return null;
  const { tool_use_id: id, is_error, content } = block;
  return toolFinished({ id, ok: is_error !== true, output: toolText(content) });
}

function toolText(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  const parts = content.filter(isObject).filter(({ type }) => type === 'text');
  return parts.map(part => String(part.text)).join('\n');
}

/**
 * A refusal of the model has the subtype `success` too, with `is_error`. A result with queued turns
 * is not the last one.
 */
function result(message: Json): Interpretation {
  if (Number(message.queued_turn_count ?? 0) > 0) return {};
  if (message.subtype === 'success' && message.is_error !== true) {
    return { outcome: succeeded(message.result) };
  }
  const errors = list(message.errors).filter(error => typeof error === 'string');
  return { outcome: failed(message.result ?? (errors.join('\n') || message.subtype)) };
}
