import type { Agent, AgentContext, AgentRun } from './agent.ts';
import { type Cli, type CliPackage, findCli, installCommand, probeCli } from './installed.ts';

/** What every adapter of an installed agent must know of this server. */
export interface AdapterOptions {
  /** Whether the sandbox isolates; only then may an agent act without asking. */
  readonly isolated: boolean;
  /**
   * Where operators install agents, as `npm install --prefix` fills it; the PATH comes after it.
   */
  readonly agentsDir?: string;
  /** Used where a run names none; undefined: the agent's own default. */
  readonly model?: string;
}

/** What every adapter of a program that people install has in common. */
interface CliAgentOptions {
  readonly name: string;
  readonly title: string;
  readonly steerable: boolean;
  readonly resumable: boolean;
  readonly cli: CliPackage;
  readonly agentsDir?: string;
  /** Further host paths it needs. */
  readonly readOnlyPaths?: readonly string[];
  run(cli: Cli, context: AgentContext): AgentRun;
}

export function createCliAgent(options: CliAgentOptions): Agent {
  const { title, cli: wanted } = options;
  const find = () => findCli(wanted.command, options.agentsDir);
  return {
    name: options.name,
    title,
    steerable: options.steerable,
    resumable: options.resumable,
    get readOnlyPaths() {
      return [...(find()?.readOnlyPaths ?? []), ...(options.readOnlyPaths ?? [])];
    },
    probe: () => probeCli(wanted, find()),
    start: context => {
      const cli = find();
      return cli === null ? notInstalled(title, wanted) : options.run(cli, context);
    },
  };
}

function notInstalled(title: string, wanted: CliPackage): AgentRun {
  const command = installCommand(wanted);
  const how = command === null ? '' : ` Install it with: ${command}`;
  const message = `${title} is not installed on this worker.${how}`;
  return {
    done: Promise.resolve({ kind: 'failed', reason: 'agent_error', message }),
    steer: async () => false,
    stop: () => {},
  };
}
