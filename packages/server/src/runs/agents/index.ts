import { createAcpAgent } from './acp/agent.ts';
import type { Agent } from './agent.ts';
import { createBuiltinAgent } from './builtin/agent.ts';
import { createClaudeAgent } from './claude/agent.ts';
import { createCodexAgent } from './codex/agent.ts';
import { createGeminiAgent } from './gemini/agent.ts';
import { type AgentProfile, profileEnvironment } from './profiles.ts';

/**
 * The coding agents there are. `agent.ts` is the port; one folder per adapter; `conversation.ts` is
 * what they share: a process in the sandbox whose lines become log events.
 *
 * Invariants: success is an agent's own terminal event; an agent knows only the run's token; all
 * its output is bounded and masked before it is emitted; instructions are no program arguments. An
 * agent may act without asking only where the sandbox isolates.
 */
export type { Agent } from './agent.ts';
export { loadAgentProfiles } from './profiles.ts';

export interface AgentsOptions {
  /** Whether the sandbox isolates (`Sandbox.isolated`). */
  readonly isolated: boolean;
  /** A folder with installed agents (`npm install --prefix`), searched before the PATH. */
  readonly agentsDir?: string;
  /** By agent: the model where a run names none. The built-in agent needs one. */
  readonly models: { readonly builtin: string } & Readonly<Record<string, string | undefined>>;
  /** The operator's (`loadAgentProfiles`). */
  readonly profiles?: readonly AgentProfile[];
}

/** Every agent, installed or not (`probe` shows which). The built-in one comes first. */
export function createAgents(options: AgentsOptions): Agent[] {
  const { isolated, agentsDir, models, profiles = [] } = options;
  const adapter = (name: string) => ({ isolated, agentsDir, model: models[name] });
  return [
    createBuiltinAgent({ model: models.builtin }),
    createClaudeAgent(adapter('claude-code')),
    createCodexAgent(adapter('codex')),
    createGeminiAgent(adapter('gemini-cli')),
    ...profiles.map(profile =>
      createAcpAgent({
        name: profile.name,
        title: profile.title,
        cli: { command: profile.command, version: profile.version },
        args: profile.args,
        isolated,
        agentsDir,
        readOnlyPaths: profile.read_only_paths,
        env: context => profileEnvironment(profile, context),
      }),
    ),
  ];
}
