import type { NewEvent } from '../../../platform/log/index.ts';
import type { AgentOutcome } from '../agent.ts';
import type { Interpretation } from '../conversation.ts';
import { planned, printed, retrying, said, thought, toolFinished, toolStarted } from '../events.ts';
import { failed, succeeded } from '../failure.ts';
import { isObject, type Json, list, planItems } from '../text.ts';

/** What Codex's app-server tells, as log events. */
export class CodexEvents {
  readonly #started = new Set<unknown>();
  #lastSaid: unknown = '';
  #retries = 0;

  /** A notification; of those that nobody needs, nothing. */
  take(method: string, params: Json): Interpretation {
    switch (method) {
      case 'item/started':
      case 'item/completed':
        return { events: isObject(params.item) ? this.#item(method, params.item) : [] };
      case 'turn/plan/updated':
        return { events: [plan(params.plan)] };
      case 'error':
        return { events: isObject(params.error) ? [this.#error(params.error, params)] : [] };
      case 'warning':
        return { events: [printed('stderr', String(params.message))] };
      case 'turn/completed':
        return { outcome: outcomeOf(isObject(params.turn) ? params.turn : {}, this.#lastSaid) };
      default:
        return {};
    }
  }

  #item(method: string, item: Json): (NewEvent | null)[] {
    const completed = method === 'item/completed';
    switch (item.type) {
      case 'agentMessage':
        if (!completed) return [];
        this.#lastSaid = item.text;
        return [said(item.text)];
      case 'reasoning':
        return completed
          ? [thought([...list(item.summary), ...list(item.content)].join('\n'))]
          : [];
      case 'userMessage':
      case 'hookPrompt':
      case 'plan':
      case 'contextCompaction':
        return [];
      default:
        return this.#tool(item, completed);
    }
  }

  /** Some tools are only told of when they are done. */
  #tool(item: Json, completed: boolean): NewEvent[] {
    const { id, type } = item;
    const [typeName, kind = null] = TOOLS[String(type)] ?? [type];
    const name = typeof item.tool === 'string' ? item.tool : typeName;
    const events: NewEvent[] = [];
    if (!this.#started.has(id)) events.push(toolStarted({ id, name, kind, input: inputOf(item) }));
    this.#started.add(id);
    if (completed) {
      const ok = item.status === undefined || item.status === 'completed';
      const output = item.aggregatedOutput ?? item.result ?? item.contentItems ?? item.error;
      events.push(toolFinished({ id, ok, exitCode: item.exitCode, output }));
      this.#started.delete(id);
    }
    return events;
  }

  /** The same notification tells of calls that are made again. */
  #error({ message, additionalDetails, codexErrorInfo }: Json, { willRetry }: Json): NewEvent {
    if (willRetry !== true) return printed('stderr', String(message));
    this.#retries += 1;
    const attempt = /(\d+)\/\d+/.exec(String(message))?.[1] ?? this.#retries;
    const details = typeof additionalDetails === 'string' ? ` ${additionalDetails}` : '';
    return retrying(Number(attempt), statusOf(codexErrorInfo), `${message}${details}`);
  }
}

/** `{ responseStreamDisconnected: { httpStatusCode: 503 } }` and its like. */
function statusOf(info: unknown): unknown {
  const inner = isObject(info) ? Object.values(info).find(isObject) : undefined;
  return inner?.httpStatusCode ?? null;
}

function outcomeOf({ status, error }: Json, lastSaid: unknown): AgentOutcome {
  if (status === 'completed') return succeeded(lastSaid);
  if (status === 'interrupted') return failed('Interrupted.');
  return failed(isObject(error) ? error.message : undefined);
}

const STEPS: Readonly<Record<string, 'pending' | 'active' | 'done'>> = {
  inProgress: 'active',
  completed: 'done',
};

function plan(steps: unknown): NewEvent {
  return planned(
    planItems(steps, ({ step, status }) => ({
      text: step,
      status: STEPS[String(status)] ?? 'pending',
    })),
  );
}

/** By the item's type: the name of the tool, and what it is like. */
const TOOLS: Readonly<Record<string, readonly [name: string, kind: string]>> = {
  commandExecution: ['command_execution', 'execute'],
  fileChange: ['file_change', 'edit'],
  webSearch: ['web_search', 'fetch'],
  mcpToolCall: ['mcp_tool_call', 'other'],
};

function inputOf(item: Json): unknown {
  if (item.type === 'fileChange') {
    const changes = list(item.changes).filter(isObject);
    return changes.map(({ kind, path }) => `${isObject(kind) ? kind.type : ''} ${path}`).join('\n');
  }
  return item.command ?? item.query ?? item.arguments ?? item.prompt;
}
