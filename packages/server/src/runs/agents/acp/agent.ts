import type { Agent, AgentContext, AgentRun } from '../agent.ts';
import { createCliAgent } from '../cli-agent.ts';
import { Conversation } from '../conversation.ts';
import type { Cli, CliPackage } from '../installed.ts';
import { AcpDialogue } from './dialogue.ts';

/** Any agent that speaks the Agent Client Protocol over standard input and output. */
interface AcpAgentOptions {
  readonly name: string;
  readonly title: string;
  readonly cli: CliPackage;
  readonly args: readonly string[];
  readonly isolated: boolean;
  readonly agentsDir?: string;
  readonly readOnlyPaths?: readonly string[];
  /** Its environment beside `HOME`, such as the gateway's address under the names it expects. */
  env(context: AgentContext): Readonly<Record<string, string>>;
}

export function createAcpAgent(options: AcpAgentOptions): Agent {
  return createCliAgent({
    ...options,
    steerable: false,
    resumable: true,
    run: (cli, context) => run(cli, context, options),
  });
}

function run(cli: Cli, context: AgentContext, options: AcpAgentOptions): AgentRun {
  const process = context.spawn([...cli.command, ...options.args], {
    HOME: context.homeDir,
    ...options.env(context),
  });
  const dialogue = new AcpDialogue(context, { allowAll: options.isolated });
  const conversation = new Conversation({ context, process, interpret: dialogue.interpret });
  void dialogue.run(conversation).then(outcome => conversation.conclude(outcome));
  void conversation.done.then(() => dialogue.hangUp());
  return {
    done: conversation.done,
    stop: signal => {
      if (signal !== 'SIGINT' || !dialogue.cancel()) conversation.stop(signal);
    },
    steer: async () => false,
  };
}
