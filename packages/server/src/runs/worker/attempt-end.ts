import { HoldfastError } from '../../kernel/index.ts';
import type { Agent, AgentOutcome, AgentVersion } from '../agents/agent.ts';
import type { RunEnd } from '../claimed-run.ts';

/** Why an attempt stops before its agent is done. The first cause counts, but `lost` always. */
export type StopCause = 'cancel' | 'drain' | 'lost' | keyof typeof MESSAGES;

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

export const STOPPED: AgentOutcome = { kind: 'failed', reason: 'agent_error', message: 'Stopped.' };

export function endOf(outcome: AgentOutcome, cause: StopCause | undefined): RunEnd {
  if (cause === 'cancel') return { status: 'canceled', reason: 'canceled' };
  if (isLimit(cause)) return { status: 'failed', reason: cause, message: MESSAGES[cause] };
  if (outcome.kind === 'succeeded') {
    return { status: 'succeeded', reason: null, summary: outcome.summary };
  }
  return { status: 'failed', reason: outcome.reason, message: outcome.message };
}

/**
 * The end of a run after a failure outside of its agent; null: another attempt may succeed. An
 * earlier cause wins: a run that is stopped for its use of disk may also be too large to save.
 */
export function endOfFailure(error: HoldfastError, cause: StopCause | undefined): RunEnd | null {
  if (cause === 'cancel') return endOf(STOPPED, cause);
  const isMissing = error instanceof AgentMissing;
  if (!isMissing && !FINAL_CODES.includes(error.code)) return null;
  if (isLimit(cause)) return endOf(STOPPED, cause);
  const reason = isMissing ? 'agent_error' : 'workspace';
  return { status: 'failed', reason, message: error.detail };
}

/** Bounds on what a run takes: an agent that may still clean up would go on taking it. */
export function isQuota(cause: StopCause): boolean {
  return QUOTAS.includes(cause);
}

/** Whether a bound on the run was reached. */
export function isLimit(cause: StopCause | undefined): cause is keyof typeof MESSAGES {
  return cause !== undefined && cause in MESSAGES;
}

const MESSAGES = {
  time_limit: 'The run took longer than it may.',
  no_output: 'The agent was silent for too long.',
  disk_limit: 'The run took more disk than it may.',
  file_limit: 'The run made more files than it may.',
  memory_limit: 'The run took more memory than it may.',
  log_limit: 'The run logged more than it may.',
};

const QUOTAS: readonly StopCause[] = ['disk_limit', 'file_limit', 'memory_limit', 'log_limit'];

/** Errors that every further attempt would meet. */
const FINAL_CODES: readonly string[] = [
  'invalid_request',
  'unprocessable',
  'payload_too_large',
  'forbidden',
  'gone',
];
