import type { RunReason } from '@holdfast/protocol';
import { HoldfastError } from '../../kernel/index.ts';
import type { Agent, AgentOutcome, AgentVersion } from '../agents/agent.ts';
import type { RunEnd } from '../held-run.ts';

/** Why an attempt stops before its agent is done. The first cause counts, but `lost` always. */
export type StopCause = 'cancel' | 'drain' | 'lost' | 'time_limit' | 'no_output';

class AgentMissing extends HoldfastError {
  constructor(detail: string) {
    super('unprocessable', detail, { field: 'agent' });
  }
}

/** The agent of this name, where it can run here. */
export async function findAgent(
  agents: readonly Agent[],
  name: string,
): Promise<{ agent: Agent; version: AgentVersion }> {
  const agent = agents.find(one => one.name === name);
  if (agent === undefined) throw new AgentMissing(`There is no agent ${name} here.`);
  const version = await agent.probe();
  if (version.available) return { agent, version };
  const hint = version.install === null ? '' : ` Install it: ${version.install}`;
  throw new AgentMissing(`${agent.title} is not installed on this worker.${hint}`);
}

export const CANCELED = { reason: 'canceled' } as const;
export const STOPPED: AgentOutcome = { kind: 'failed', reason: 'agent_error', message: 'Stopped.' };

export function endOf(outcome: AgentOutcome, cause: StopCause | undefined): RunEnd {
  if (cause === 'cancel') return { status: 'canceled', ...CANCELED };
  if (cause === 'time_limit' || cause === 'no_output') {
    return { status: 'failed', reason: cause, message: MESSAGES[cause] };
  }
  if (outcome.kind === 'succeeded') {
    return { status: 'succeeded', reason: null, summary: outcome.summary };
  }
  return { status: 'failed', reason: outcome.reason, message: outcome.message };
}

const MESSAGES = {
  time_limit: 'The run took longer than it may.',
  no_output: 'The agent said nothing for too long.',
};

/** Null: another attempt may go better. */
export function reasonOf(error: HoldfastError): RunReason | null {
  if (error instanceof AgentMissing) return 'agent_error';
  const final = ['invalid_request', 'unprocessable', 'payload_too_large', 'forbidden', 'gone'];
  return final.includes(error.code) ? 'workspace' : null;
}
