/**
 * Chooses among the tools an agent offers, by name, and fills them by the names of their
 * parameters: our own agent's, Claude Code's, Codex's and Gemini CLI's, or any that is called like
 * one of them.
 */
import type { Random } from '../random.ts';
import type { Conversation, OfferedTool, ToolCall } from './conversation.ts';
import { sampleOf } from './sample.ts';

const NAMES = {
  list: ['list_files', 'list_directory', 'LS'],
  read: ['read_file', 'Read'],
  write: ['write_file', 'Write'],
  edit: ['edit_file', 'Edit', 'replace'],
  patch: ['apply_patch'],
  shell: [
    'run_command',
    'Bash',
    'exec_command',
    'shell_command',
    'run_shell_command',
    'shell',
    'local_shell',
  ],
} as const;
export type Purpose = keyof typeof NAMES;

/** The names that tools of one purpose have, the likeliest first. */
const PARAMETERS = {
  path: ['path', 'file_path', 'dir_path', 'absolute_path', 'filename', 'file'],
  content: ['content', 'contents', 'text'],
  before: ['old_string', 'old_text', 'old_str', 'old', 'search', 'find'],
  after: ['new_string', 'new_text', 'new_str', 'new', 'replacement', 'replace'],
  command: ['command', 'cmd'],
  patch: ['input', 'patch'],
} as const;
type Meaning = keyof typeof PARAMETERS;
export type Meanings = Partial<Record<Meaning, string>>;

export class Toolbox {
  readonly #conversation: Conversation;
  readonly #random: Random;

  constructor(conversation: Conversation, random: Random) {
    this.#conversation = conversation;
    this.#random = random;
  }

  has(purpose: Purpose): boolean {
    return this.#find(purpose) !== undefined;
  }

  /** A call of the tool for `purpose`; undefined when none was offered. */
  call(purpose: Purpose, meanings: Meanings): ToolCall | undefined {
    const tool = this.#find(purpose);
    if (tool === undefined) return undefined;
    const { name, kind } = tool;
    const id = this.#random.id('call');
    if (kind === 'custom') return { id, name, kind, input: Object.values(meanings).join('\n') };
    return { id, name, kind, input: this.#fill(tool, meanings) };
  }

  #find(purpose: Purpose): OfferedTool | undefined {
    const { tools } = this.#conversation;
    for (const name of NAMES[purpose]) {
      const tool = tools.find(one => one.name === name);
      if (tool !== undefined) return tool;
    }
    return undefined;
  }

  #fill(tool: OfferedTool, meanings: Meanings): Record<string, unknown> {
    const input: Record<string, unknown> = {};
    for (const [meaning, value] of Object.entries(meanings) as [Meaning, string][]) {
      const names = PARAMETERS[meaning];
      const name = names.find(one => tool.parameters.has(one)) ?? names[0];
      input[name] = this.#shaped(tool, name, { meaning, value });
    }
    for (const name of tool.required) {
      input[name] ??= sampleOf(tool.parameters.get(name) ?? {});
    }
    return input;
  }

  #shaped(
    tool: OfferedTool,
    name: string,
    { meaning, value }: { meaning: Meaning; value: string },
  ): unknown {
    const type = String(tool.parameters.get(name)?.type ?? 'string').toLowerCase();
    if (meaning === 'command' && type === 'array') return ['bash', '-lc', value];
    const { workingDirectory } = this.#conversation;
    // Claude Code and Gemini CLI want absolute paths; ours wants them relative.
    const absolute = meaning === 'path' && (name === 'file_path' || name === 'absolute_path');
    if (!absolute || workingDirectory === null) return value;
    return `${workingDirectory.replace(/\/+$/, '')}/${value}`;
  }
}
