import type { NewEvent } from '../../platform/log/index.ts';
import { boundedText } from '../../work/index.ts';
import type { AgentOutcome } from './agent.ts';
import { integer, type PlanItem, shown, word, wordOrNull } from './text.ts';

/** The events that an agent causes and its outcome, with every field bounded. Pure. */

export function agentSession(sessionId: unknown, model: unknown): NewEvent {
  return {
    type: 'agent.session',
    data: { session_id: word(sessionId), model: wordOrNull(model) },
  };
}

/** Null for an empty text. */
export function agentMessage(
  value: unknown,
  role: 'assistant' | 'user' = 'assistant',
): NewEvent | null {
  const cut = boundedText(value);
  return cut.trim() === ''
    ? null
    : { type: 'agent.message', data: { role }, private: { text: cut } };
}

export function agentThought(value: unknown): NewEvent | null {
  const cut = boundedText(value);
  return cut.trim() === '' ? null : { type: 'agent.thought', data: {}, private: { text: cut } };
}

export function agentPlan(items: readonly PlanItem[]): NewEvent {
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

export function agentRetrying(attempt: unknown, status: unknown, message?: unknown): NewEvent {
  return {
    type: 'agent.retrying',
    data: { attempt: integer(attempt) ?? 0, status: integer(status) },
    ...(typeof message === 'string' && { private: { message: boundedText(message) } }),
  };
}

export function agentOutput(
  stream: 'stdout' | 'stderr',
  value: string,
  truncated = false,
): NewEvent {
  const cut = boundedText(value);
  return {
    type: 'agent.output',
    data: { stream, truncated: truncated || cut.length < value.length },
    private: { text: cut },
  };
}

/**
 * The failure that an agent reports. Vendors' programs pass on the gateway's refusal as prose only,
 * so the word `budget` identifies an exhausted budget.
 */
export function failed(message: unknown): AgentOutcome {
  const text = boundedText(message).trim() || 'The agent failed without a reason.';
  return {
    kind: 'failed',
    reason: /\bbudget/i.test(text) ? 'budget' : 'agent_error',
    message: text,
  };
}

export function succeeded(summary: unknown): AgentOutcome {
  return { kind: 'succeeded', summary: boundedText(summary).trim() || 'Done.' };
}
