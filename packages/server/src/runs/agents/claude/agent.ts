import { join } from 'node:path';
import type { Agent, AgentContext, AgentRun } from '../agent.ts';
import { type AdapterOptions, createCliAgent } from '../cli-agent.ts';
import { Conversation } from '../conversation.ts';
import type { Cli } from '../installed.ts';
import { interpret } from './events.ts';

/** Claude Code over `stream-json` in both directions; sessions stand below `CLAUDE_CONFIG_DIR`. */
export const CLAUDE = {
  command: 'claude',
  npm: '@anthropic-ai/claude-code',
  version: '2.1.330',
} as const;

/**
 * The program's default of ten takes minutes, also for a refused token; five take half a minute.
 */
const RETRIES_MAX = 5;

export function createClaudeAgent(options: AdapterOptions): Agent {
  return createCliAgent({
    name: 'claude-code',
    title: 'Claude Code',
    steerable: true,
    resumable: true,
    cli: CLAUDE,
    agentsDir: options.agentsDir,
    run: (cli, context) => run(cli, context, options),
  });
}

function run(cli: Cli, context: AgentContext, options: AdapterOptions): AgentRun {
  const { homeDir, gatewayUrl, token } = context;
  const process = context.spawn([...cli.command, ...claudeArguments(context, options)], {
    HOME: homeDir,
    CLAUDE_CONFIG_DIR: join(homeDir, '.claude'),
    ANTHROPIC_BASE_URL: `${gatewayUrl}/model/anthropic`,
    ANTHROPIC_API_KEY: token,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    CLAUDE_CODE_MAX_RETRIES: String(RETRIES_MAX),
    DISABLE_AUTOUPDATER: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
    ...(options.isolated && { IS_SANDBOX: '1' }),
  });
  const conversation = new Conversation({ context, process, interpret });
  const sendUserMessage = (content: string) =>
    conversation.send({ type: 'user', message: { role: 'user', content } });
  sendUserMessage(context.instruction);
  return {
    done: conversation.done,
    stop: signal => conversation.stop(signal),
    steer: async text => !conversation.isOver && sendUserMessage(text),
  };
}

/**
 * Without a sandbox only edits are allowed: the program itself refuses what needs a person's
 * consent.
 */
function claudeArguments(
  { resume, model }: Pick<AgentContext, 'resume' | 'model'>,
  { isolated, model: fallback }: AdapterOptions,
): string[] {
  const chosen = model ?? fallback;
  return [
    '-p',
    ...['--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose'],
    '--strict-mcp-config',
    ...(isolated ? ['--dangerously-skip-permissions'] : ['--permission-mode', 'acceptEdits']),
    ...(chosen === undefined ? [] : ['--model', chosen]),
    ...(resume === null ? [] : ['--resume', resume]),
  ];
}
