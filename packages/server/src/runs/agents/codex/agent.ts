import type { Agent, AgentContext, AgentRun } from '../agent.ts';
import { createCliAgent } from '../cli-agent.ts';
import { Conversation } from '../conversation.ts';
import type { Cli } from '../installed.ts';
import type { AdapterOptions } from '../options.ts';
import { createInterpreter } from './events.ts';

/**
 * Codex's `exec --json`: one turn per process, its threads stand below `~/.codex`. It makes that
 * folder itself, but refuses a `CODEX_HOME` that does not exist.
 */
export const CODEX = { command: 'codex', npm: '@openai/codex', version: '0.169.0' } as const;

const TOKEN_VARIABLE = 'HOLDFAST_RUN_TOKEN';

export function createCodexAgent(options: AdapterOptions): Agent {
  return createCliAgent({
    name: 'codex',
    title: 'Codex',
    steerable: false,
    resumable: true,
    cli: CODEX,
    agentsDir: options.agentsDir,
    run: (cli, context) => run(cli, context, options),
  });
}

function run(cli: Cli, context: AgentContext, options: AdapterOptions): AgentRun {
  const { homeDir, token, instruction } = context;
  const process = context.spawn([...cli.command, ...codexArguments(context, options)], {
    HOME: homeDir,
    [TOKEN_VARIABLE]: token,
  });
  const conversation = new Conversation({ context, process, interpret: createInterpreter() });
  // On standard input an instruction is neither too long nor taken for an option.
  process.stdin.end(instruction);
  return {
    done: conversation.done,
    stop: signal => conversation.stop(signal),
    steer: async () => false,
  };
}

/**
 * Its own sandbox cannot be nested in ours, and is used where there is none. `inherit=core` keeps
 * the token from the commands it runs.
 */
export function codexArguments(
  {
    resume,
    model,
    workspaceDir,
    gatewayUrl,
  }: Pick<AgentContext, 'resume' | 'model' | 'workspaceDir' | 'gatewayUrl'>,
  { isolated, model: fallback }: AdapterOptions,
): string[] {
  const chosen = model ?? fallback;
  const provider = [
    'name="holdfast"',
    `base_url="${gatewayUrl}/model/openai/v1"`,
    `env_key="${TOKEN_VARIABLE}"`,
    'wire_api="responses"',
  ].join(',');
  const settings = [
    'model_provider=holdfast',
    `model_providers.holdfast={${provider}}`,
    'shell_environment_policy.inherit=core',
    'sandbox_workspace_write.exclude_slash_tmp=true',
    'check_for_update_on_startup=false',
    'analytics.enabled=false',
  ];
  return [
    'exec',
    '--json',
    '--skip-git-repo-check',
    ...['-s', isolated ? 'danger-full-access' : 'workspace-write'],
    ...['-C', workspaceDir],
    ...settings.flatMap(setting => ['-c', setting]),
    ...(chosen === undefined ? [] : ['-m', chosen]),
    ...(resume === null ? [] : ['resume', resume]),
    '-',
  ];
}
