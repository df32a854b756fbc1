import type { NewEvent } from '../../../platform/log/index.ts';
import { boundedText } from '../../../work/index.ts';
import type { AgentOutcome } from '../agent.ts';
import type { Interpretation } from '../conversation.ts';
import {
  agentMessage,
  agentOutput,
  agentPlan,
  agentRetrying,
  agentThought,
  failed,
  succeeded,
  toolFinished,
  toolStarted,
} from '../events.ts';
import { isObject, type Json, list, planItems } from '../text.ts';

export interface Notification {
  readonly method: string;
  readonly params: Json;
  /** Whether it belongs to the run's thread. */
  readonly isOwn: boolean;
}

/** The notifications of Codex's app-server as log events. */
export class CodexEvents {
  readonly #started = new Set<unknown>();
  #lastMessage: unknown = '';
  #retries = 0;

  /**
   * The events of a notification; none for an unknown one. Agents that Codex starts by itself have
   * threads of their own: their tools become events, their thoughts and ends do not.
   */
  take({ method, params, isOwn }: Notification): Interpretation {
    switch (method) {
      case 'item/started':
      case 'item/completed':
        return { events: isObject(params.item) ? this.#item(method, params.item, isOwn) : [] };
      case 'warning':
        return { events: [agentOutput('stderr', boundedText(params.message))] };
    }
    if (!isOwn) return {};
    switch (method) {
      case 'turn/plan/updated': {
        const items = planItems(params.plan, ({ step, status }) => ({
          text: step,
          status: STEPS[boundedText(status)] ?? 'pending',
        }));
        return { events: [agentPlan(items)] };
      }
      case 'error':
        return { events: isObject(params.error) ? [this.#error(params.error, params)] : [] };
      case 'turn/completed':
        return { outcome: outcomeOf(isObject(params.turn) ? params.turn : {}, this.#lastMessage) };
      default:
        return {};
    }
  }

  #item(method: string, item: Json, isOwn: boolean): (NewEvent | null)[] {
    const completed = method === 'item/completed';
    switch (item.type) {
      case 'agentMessage':
        if (!completed || !isOwn) return [];
        this.#lastMessage = item.text;
        return [agentMessage(item.text)];
      case 'reasoning':
        if (!completed || !isOwn) return [];
        return [
          agentThought([...list(item.summary), ...list(item.content)].map(boundedText).join('\n')),
        ];
      case 'userMessage':
      case 'hookPrompt':
      case 'plan':
      case 'contextCompaction':
        return [];
      default:
        return this.#tool(item, completed);
    }
  }

  /** Codex notifies only the end of some tools. */
  #tool(item: Json, completed: boolean): NewEvent[] {
    const { id, type } = item;
    const [typeName, kind = null] = TOOLS[boundedText(type)] ?? [type];
    const name = typeof item.tool === 'string' ? item.tool : typeName;
    const events: NewEvent[] = [];
    if (!this.#started.has(id)) events.push(toolStarted({ id, name, kind, input: inputOf(item) }));
    this.#started.add(id);
    if (completed) {
      const output = item.aggregatedOutput ?? item.result ?? item.contentItems ?? item.output;
      events.push(
        toolFinished({
          id,
          ok: item.status === undefined || item.status === 'completed',
          exitCode: item.exitCode,
          output: output ?? item.error ?? '',
        }),
      );
      this.#started.delete(id);
    }
    return events;
  }

  /** This notification also reports calls that Codex repeats. */
  #error(error: Json, { willRetry }: Json): NewEvent {
    const message = boundedText(error.message);
    if (willRetry !== true) return agentOutput('stderr', message);
    this.#retries += 1;
    const attempt = /(\d+)\/\d+/.exec(message)?.[1] ?? this.#retries;
    const details = `${message} ${boundedText(error.additionalDetails)}`.trim();
    return agentRetrying(Number(attempt), statusOf(error.codexErrorInfo), details);
  }
}

/** `{ responseStreamDisconnected: { httpStatusCode: 503 } }` and its like. */
function statusOf(info: unknown): unknown {
  const inner = isObject(info) ? Object.values(info).find(isObject) : undefined;
  return inner?.httpStatusCode ?? null;
}

function outcomeOf({ status, error }: Json, lastMessage: unknown): AgentOutcome {
  if (status === 'completed') return succeeded(lastMessage);
  const why = isObject(error) ? error.message : undefined;
  return failed(why ?? (status === 'interrupted' ? 'Interrupted.' : undefined));
}

const STEPS: Readonly<Record<string, 'pending' | 'active' | 'done'>> = {
  inProgress: 'active',
  completed: 'done',
};

/** Name and kind of the tool, by the item's type. */
const TOOLS: Readonly<Record<string, readonly [name: string, kind: string]>> = {
  commandExecution: ['command_execution', 'execute'],
  fileChange: ['file_change', 'edit'],
  webSearch: ['web_search', 'fetch'],
  mcpToolCall: ['mcp_tool_call', 'other'],
};

function inputOf(item: Json): unknown {
  if (item.type !== 'fileChange') {
    return item.command ?? item.query ?? item.arguments ?? item.prompt ?? undefined;
  }
  const lines = list(item.changes)
    .filter(isObject)
    .map(({ kind, path }) => {
      const change = isObject(kind) ? kind.type : kind;
      return `${boundedText(change)} ${boundedText(path)}`;
    });
  return lines.join('\n');
}
