import type { NewEvent } from '../../platform/log/index.ts';
import { boundedText } from '../../work/index.ts';
import { integer, type PlanItem, shown, word, wordOrNull } from './text.ts';

/** The events an agent can cause, with every field bounded. Pure. */

export function sessionOpened(sessionId: unknown, model: unknown): NewEvent {
  return {
    type: 'agent.session',
    data: { session_id: word(sessionId), model: wordOrNull(model) },
  };
}

/** Null for an empty text. */
export function said(value: unknown, role: 'assistant' | 'user' = 'assistant'): NewEvent | null {
  const cut = boundedText(value);
  return cut.trim() === ''
    ? null
    : { type: 'agent.message', data: { role }, private: { text: cut } };
}

export function thought(value: unknown): NewEvent | null {
  const cut = boundedText(value);
  return cut.trim() === '' ? null : { type: 'agent.thought', data: {}, private: { text: cut } };
}

export function planned(items: readonly PlanItem[]): NewEvent {
  const count = (status: PlanItem['status']) => items.filter(item => item.status === status).length;
  return {
    type: 'agent.plan',
    data: { pending: count('pending'), active: count('active'), done: count('done') },
    private: { items: [...items] },
  };
}

export function toolStarted(call: {
  id: unknown;
  name: unknown;
  kind?: string | null;
  input?: unknown;
}): NewEvent {
  const input = shown(call.input);
  return {
    type: 'tool.started',
    data: { call_id: word(call.id), name: word(call.name), kind: call.kind ?? null },
    ...(input !== '' && { private: { input } }),
  };
}

export function toolFinished(call: {
  id: unknown;
  ok: boolean;
  exitCode?: unknown;
  output?: unknown;
}): NewEvent {
  const output = shown(call.output);
  return {
    type: 'tool.finished',
    data: {
      call_id: word(call.id),
      status: call.ok ? 'ok' : 'error',
      exit_code: integer(call.exitCode),
    },
    ...(output !== '' && { private: { output } }),
  };
}

export function retrying(attempt: unknown, status: unknown, message?: unknown): NewEvent {
  return {
    type: 'agent.retrying',
    data: { attempt: integer(attempt) ?? 0, status: integer(status) },
    ...(typeof message === 'string' && { private: { message: boundedText(message) } }),
  };
}

export function printed(stream: 'stdout' | 'stderr', value: string, truncated = false): NewEvent {
  const cut = boundedText(value);
  return {
    type: 'agent.output',
    data: { stream, truncated: truncated || cut.length < value.length },
    private: { text: cut },
  };
}
