import {
  openModelServer,
  type Reply,
  type Script,
} from '../../packages/server/src/runs/agents/testing/model-server.ts';
import { TEST_TOKEN } from '../../packages/server/src/runs/agents/testing/workbench.ts';

/**
 * What the agents call: something that serves `/model/openai/v1/responses`,
 * `/model/anthropic/v1/messages` and `/model/gemini/v1beta/models/…`, and can be made to misbehave.
 */
export type Behaviour = 'edit' | 'answer' | 'refuse' | 'over-budget' | 'hang';

export interface Models {
  readonly url: string;
  readonly token: string;
  /** How many calls there were since it was opened. */
  calls(): number;
  close(): Promise<void>;
}

export type OpenModels = (behaviour: Behaviour) => Promise<Models>;

/** The scripted server of the adapters' own tests. */
export const openScripted: OpenModels = async behaviour => {
  const server = await openModelServer(SCRIPTS[behaviour]);
  return {
    url: server.url,
    token: TEST_TOKEN,
    calls: () => server.turns.length,
    close: () => server.close(),
  };
};

export const EDIT_COMMAND = 'sed -i s/hey/hello/ greet.txt && cat greet.txt';
const SHELL: Readonly<Record<string, { name: string; input: Record<string, unknown> }>> = {
  anthropic: { name: 'Bash', input: { command: EDIT_COMMAND, description: 'Edit' } },
  gemini: { name: 'run_shell_command', input: { command: EDIT_COMMAND, description: 'Edit' } },
  // Codex takes this call with every model, also where its list of tools wraps it.
  openai: { name: 'exec_command', input: { cmd: EDIT_COMMAND } },
};
const BUILTIN = { name: 'run_command', input: { command: EDIT_COMMAND } };

const SCRIPTS: Readonly<Record<Behaviour, Script>> = {
  edit: ({ number, protocol, json }): Reply => {
    if (number > 1) return { text: 'Changed hey to hello.' };
    const call = json.includes(`"${BUILTIN.name}"`) ? BUILTIN : SHELL[protocol]!;
    return { text: 'I edit it.', calls: [call] };
  },
  answer: ({ json }) => ({
    text: json.includes('Changed hey to hello.') ? 'I remember.' : 'I remember nothing.',
  }),
  refuse: () => ({ status: 401, error: 'The token is not valid.' }),
  'over-budget': () => ({
    status: 403,
    code: 'budget_exceeded',
    error: 'The budget of this run is used up. Trying again will not help.',
  }),
  hang: () => new Promise<Reply>(() => {}),
};
