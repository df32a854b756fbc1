import type { Agent, AgentContext, AgentRun } from '../agent.ts';
import { type AdapterOptions, createCliAgent } from '../cli-agent.ts';
import { Conversation } from '../conversation.ts';
import type { Cli } from '../installed.ts';
import { CodexDialogue } from './dialogue.ts';

/**
 * Codex's `app-server`, which takes messages while it works (`exec --json` does not); its threads
 * stand below `~/.codex`. It makes that folder itself, but refuses a `CODEX_HOME` that does not
 * exist.
 */
export const CODEX = { command: 'codex', npm: '@openai/codex', version: '0.169.0' } as const;

const TOKEN_VARIABLE = 'HOLDFAST_RUN_TOKEN';

export function createCodexAgent(options: AdapterOptions): Agent {
  return createCliAgent({
    name: 'codex',
    title: 'Codex',
    steerable: true,
    resumable: true,
    cli: CODEX,
    agentsDir: options.agentsDir,
    run: (cli, context) => run(cli, context, options),
  });
}

function run(cli: Cli, context: AgentContext, options: AdapterOptions): AgentRun {
  const { homeDir, token } = context;
  const process = context.spawn([...cli.command, ...codexArguments(context, options)], {
    HOME: homeDir,
    [TOKEN_VARIABLE]: token,
  });
  const dialogue = new CodexDialogue(context, { model: context.model ?? options.model });
  const conversation = new Conversation({ context, process, interpret: dialogue.interpret });
  dialogue.begin(conversation);
  void conversation.done.then(() => dialogue.hangUp());
  return {
    done: conversation.done,
    stop: signal => {
      if (signal !== 'SIGINT' || !dialogue.interrupt()) conversation.stop(signal);
    },
    steer: text => dialogue.steer(text),
  };
}

/**
 * Its own sandbox cannot be nested in ours, and is used where there is none. `inherit=core` keeps
 * the token from the commands it runs. For some models it offers OpenAI's web search unasked, with
 * which the model gateway would refuse the whole call.
 */
function codexArguments(
  { gatewayUrl }: Pick<AgentContext, 'gatewayUrl'>,
  { isolated }: Pick<AdapterOptions, 'isolated'>,
): string[] {
  const provider = [
    'name="holdfast"',
    `base_url="${gatewayUrl}/model/openai/v1"`,
    `env_key="${TOKEN_VARIABLE}"`,
    'wire_api="responses"',
  ].join(',');
  const settings = [
    'model_provider=holdfast',
    `model_providers.holdfast={${provider}}`,
    `sandbox_mode="${isolated ? 'danger-full-access' : 'workspace-write'}"`,
    'approval_policy="never"',
    'shell_environment_policy.inherit=core',
    'sandbox_workspace_write.exclude_slash_tmp=true',
    'check_for_update_on_startup=false',
    'analytics.enabled=false',
    'web_search="disabled"',
  ];
  return ['app-server', ...settings.flatMap(setting => ['-c', setting])];
}
