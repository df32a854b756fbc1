import { fileURLToPath } from 'node:url';
import type { Agent, AgentContext, AgentRun } from '../agent.ts';
import { type AdapterOptions, createCliAgent } from '../cli-agent.ts';
import { Conversation } from '../conversation.ts';
import type { Cli } from '../installed.ts';
import { GeminiInterpreter } from './events.ts';

/** Gemini CLI's `stream-json`: one turn per process, its sessions stand below `~/.gemini`. */
export const GEMINI = { command: 'gemini', npm: '@google/gemini-cli', version: '0.61.0' } as const;

/** The program's default, `auto`, asks a second model before every turn which one to use. */
const GEMINI_MODEL = 'gemini-2.5-pro';

/** Mounted where it is: the run's home belongs to the agent. */
const SETTINGS = fileURLToPath(new URL('settings.json', import.meta.url));

export function createGeminiAgent(options: AdapterOptions): Agent {
  return createCliAgent({
    name: 'gemini-cli',
    title: 'Gemini CLI',
    steerable: false,
    resumable: true,
    cli: GEMINI,
    agentsDir: options.agentsDir,
    readOnlyPaths: [SETTINGS],
    run: (cli, context) => run(cli, context, options),
  });
}

function run(cli: Cli, context: AgentContext, options: AdapterOptions): AgentRun {
  const { resume, model, homeDir, gatewayUrl, token } = context;
  const command = [
    ...cli.command,
    ...['-o', 'stream-json', '--skip-trust'],
    ...['--approval-mode', options.isolated ? 'yolo' : 'auto_edit'],
    ...['-m', model ?? options.model ?? GEMINI_MODEL],
    ...(resume === null ? [] : ['--resume', resume]),
  ];
  const process = context.spawn(command, {
    HOME: homeDir,
    GEMINI_API_KEY: token,
    GOOGLE_GEMINI_BASE_URL: `${gatewayUrl}/model/gemini`,
    GEMINI_CLI_SYSTEM_SETTINGS_PATH: SETTINGS,
    // Without this it restarts itself as a child that signals do not reach.
    GEMINI_CLI_NO_RELAUNCH: 'true',
  });
  const interpreter = new GeminiInterpreter();
  const conversation = new Conversation({
    context,
    process,
    interpret: message => interpreter.interpret(message),
    flush: () => interpreter.flush(),
  });
  // Standard input takes an instruction of any length and never reads it as an option.
  process.stdin.end(context.instruction);
  return {
    done: conversation.done,
    stop: signal => conversation.stop(signal),
    steer: async () => false,
  };
}
