import { boundedText } from '../../../work/index.ts';
import type { AgentOutcome } from '../agent.ts';
import type { Interpretation } from '../conversation.ts';
import {
  agentMessage,
  agentPlan,
  agentRetrying,
  agentSession,
  agentThought,
  toolFinished,
  toolStarted,
} from '../events.ts';
import { type Json, type PlanItem, planItems, wordOrNull } from '../text.ts';

/** The built-in agent's lines as log events. The gateway settles its usage. */
export function interpret(message: Json): Interpretation | null {
  switch (message.type) {
    case 'init':
      return { events: [agentSession(message.session_id, message.model)] };
    case 'message':
      return { events: [agentMessage(message.text)] };
    case 'thought':
      return { events: [agentThought(message.text)] };
    case 'plan':
      return { events: [agentPlan(planItems(message.items, planItem))] };
    case 'tool_start':
      return {
        events: [
          toolStarted({
            id: message.call_id,
            name: message.name,
            kind: wordOrNull(message.kind),
            input: message.input,
          }),
        ],
      };
    case 'tool_finish':
      return {
        events: [
          toolFinished({
            id: message.call_id,
            ok: message.status === 'ok',
            exitCode: message.exit_code,
            output: message.output,
          }),
        ],
      };
    case 'retry':
      return { events: [agentRetrying(message.attempt, message.status, message.message)] };
    case 'result':
      return { outcome: outcome(message) };
    case 'usage':
    case 'accepted':
      return {};
    default:
      return null;
  }
}

function planItem(item: Json): PlanItem | null {
  const { status } = item;
  if (status !== 'pending' && status !== 'active' && status !== 'done') return null;
  return { text: String(item.text), status };
}

function outcome(message: Json): AgentOutcome {
  if (message.status === 'success') {
    return { kind: 'succeeded', summary: boundedText(message.summary) };
  }
  return {
    kind: 'failed',
    reason: message.reason === 'budget' ? 'budget' : 'agent_error',
    message: message.status === 'interrupted' ? 'Interrupted.' : boundedText(message.message),
  };
}
