import { boundedText } from '../../work/index.ts';
import type { AgentOutcome } from './agent.ts';

/**
 * The failure that an agent reports. Vendors' programs pass on the gateway's refusal as prose only,
 * so an exhausted budget is recognised by its words.
 */
export function failed(message: unknown): AgentOutcome {
  const said = boundedText(message).trim() || 'The agent failed without saying why.';
  return {
    kind: 'failed',
    reason: /\bbudget/i.test(said) ? 'budget' : 'agent_error',
    message: said,
  };
}

export function succeeded(summary: unknown): AgentOutcome {
  return { kind: 'succeeded', summary: boundedText(summary).trim() || 'Done.' };
}
