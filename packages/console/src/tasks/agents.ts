import type { AgentInfo } from '@holdfast/protocol';

/** The built-in agent needs nothing installed. */
const FIRST_CHOICE = 'builtin';

/** The agents that are preselected: the built-in one if it is available, else the first. */
export function defaultAgents(agents: readonly AgentInfo[]): string[] {
  const there = agents.filter(agent => agent.available);
  const first = there.find(agent => agent.name === FIRST_CHOICE) ?? there[0];
  return first ? [first.name] : [];
}

/** An agent's title; its name where the server no longer has it. */
export function agentTitle(agents: readonly AgentInfo[], name: string): string {
  return agents.find(agent => agent.name === name)?.title ?? name;
}
