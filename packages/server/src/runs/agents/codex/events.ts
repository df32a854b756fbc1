import type { NewEvent } from '../../../platform/log/index.ts';
import type { Interpretation } from '../conversation.ts';
import {
  planned,
  printed,
  retrying,
  said,
  sessionOpened,
  thought,
  toolFinished,
  toolStarted,
} from '../events.ts';
import { failed, succeeded } from '../failure.ts';
import { isObject, type Json, list, planItems } from '../text.ts';

/** Codex's `exec --json` as log events. Null: not of this interface. */
export function createInterpreter(): (message: Json) => Interpretation | null {
  const started = new Set<unknown>();
  let lastSaid: unknown = '';
  const item = (phase: string, content: Json): (NewEvent | null)[] => {
    if (content.type === 'agent_message' && phase === 'completed') lastSaid = content.text;
    const first = !started.has(content.id);
    started.add(content.id);
    return itemEvents(phase, content, first);
  };
  return message => {
    if (typeof message.type !== 'string') return null;
    const phase = /^item\.(started|updated|completed)$/.exec(message.type)?.[1];
    if (phase !== undefined) {
      return { events: isObject(message.item) ? item(phase, message.item) : [] };
    }
    switch (message.type) {
      case 'thread.started':
        return { events: [sessionOpened(message.thread_id, null)] };
      case 'turn.completed':
        return { outcome: succeeded(lastSaid) };
      case 'turn.failed':
        return { outcome: failed(isObject(message.error) ? message.error.message : undefined) };
      case 'error':
        return { events: [errorEvent(String(message.message))] };
      default:
        return {};
    }
  };
}

/** The same type tells of attempts that are repeated. */
function errorEvent(message: string): NewEvent {
  const attempt = /^Reconnecting\.\.\. (\d+)\/\d+/.exec(message)?.[1];
  if (attempt === undefined) return printed('stderr', message);
  const status = /status (\d{3})/.exec(message)?.[1];
  return retrying(Number(attempt), status === undefined ? null : Number(status), message);
}

function itemEvents(phase: string, item: Json, first: boolean): (NewEvent | null)[] {
  switch (item.type) {
    case 'agent_message':
      return phase === 'completed' ? [said(item.text)] : [];
    case 'reasoning':
      return phase === 'completed' ? [thought(item.text)] : [];
    case 'todo_list':
      return [plan(item.items)];
    case 'error':
      return phase === 'completed' ? [printed('stderr', String(item.message))] : [];
    default:
      return toolEvents(phase, item, first);
  }
}

function plan(items: unknown): NewEvent {
  return planned(
    planItems(items, ({ text, completed }) => ({
      text,
      status: completed === true ? 'done' : 'pending',
    })),
  );
}

/** Some tools are only told of when they are done. */
function toolEvents(phase: string, item: Json, first: boolean): NewEvent[] {
  const { id, type } = item;
  const kind = KINDS[String(type)] ?? null;
  const name = typeof item.tool === 'string' ? item.tool : type;
  const events: NewEvent[] = [];
  if (first) events.push(toolStarted({ id, name, kind, input: inputOf(item) }));
  if (phase === 'completed') {
    const ok = item.status === undefined || item.status === 'completed';
    const output = item.aggregated_output ?? item.result ?? item.error;
    events.push(toolFinished({ id, ok, exitCode: item.exit_code, output }));
  }
  return events;
}

const KINDS: Readonly<Record<string, string>> = {
  command_execution: 'execute',
  file_change: 'edit',
  web_search: 'fetch',
  mcp_tool_call: 'other',
};

function inputOf(item: Json): unknown {
  if (item.type === 'file_change') {
    const changes = list(item.changes).filter(isObject);
    return changes.map(({ kind, path }) => `${kind} ${path}`).join('\n');
  }
  return item.command ?? item.query ?? item.arguments;
}
