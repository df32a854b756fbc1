import type { NewEvent } from '../../../platform/log/index.ts';
import { TEXT_MAX_BYTES } from '../../../work/index.ts';
import type { Interpretation } from '../conversation.ts';
import {
  agentMessage,
  agentPlan,
  agentSession,
  failed,
  succeeded,
  toolFinished,
  toolStarted,
} from '../events.ts';
import { isObject, type Json, planItems, planStatus } from '../text.ts';

/**
 * Gemini CLI's `stream-json` as log events; one interpreter per process. A message comes in pieces
 * without an end: it ends with the next line of another type.
 */
export class GeminiInterpreter {
  #piece = '';
  #lastMessage = '';

  /** Null: not of this interface. */
  interpret(message: Json): Interpretation | null {
    if (typeof message.type !== 'string') return null;
    if (message.type === 'message') return { events: this.#message(message) };
    const before = this.flush();
    if (message.type === 'result') {
      const { status, error } = message;
      const outcome =
        status === 'success'
          ? succeeded(this.#lastMessage)
          : failed(isObject(error) ? error.message : undefined);
      return { events: before, outcome };
    }
    return { events: [...before, ...otherEvents(message)] };
  }

  /** Ends the open message, if any. */
  flush(): NewEvent[] {
    const event = agentMessage(this.#piece);
    if (event !== null) this.#lastMessage = this.#piece;
    this.#piece = '';
    return event === null ? [] : [event];
  }

  #message({ role, content, delta }: Json): NewEvent[] {
    if (role !== 'assistant' || typeof content !== 'string') return [];
    const before = delta === true ? [] : this.flush();
    this.#piece = (this.#piece + content).slice(0, TEXT_MAX_BYTES);
    return before;
  }
}

function otherEvents(message: Json): NewEvent[] {
  switch (message.type) {
    case 'init':
      return [agentSession(message.session_id, message.model)];
    case 'tool_use':
      return toolUse(message);
    case 'tool_result':
      return [
        toolFinished({
          id: message.tool_id,
          ok: message.status === 'success',
          output: message.output ?? (isObject(message.error) ? message.error.message : undefined),
        }),
      ];
    default:
      return [];
  }
}

function toolUse({ tool_id: id, tool_name: name, parameters: input }: Json): NewEvent[] {
  const started = toolStarted({ id, name, kind: KINDS[String(name)] ?? null, input });
  if (name !== 'write_todos' || !isObject(input)) return [started];
  const items = planItems(input.todos, ({ description, status }) =>
    status === 'cancelled' ? null : { text: description, status: planStatus(status) },
  );
  return [started, agentPlan(items)];
}

const KINDS: Readonly<Record<string, string>> = {
  run_shell_command: 'execute',
  replace: 'edit',
  write_file: 'edit',
  read_file: 'read',
  list_directory: 'read',
  glob: 'search',
  grep_search: 'search',
  web_fetch: 'fetch',
  google_web_search: 'fetch',
  write_todos: 'plan',
};
