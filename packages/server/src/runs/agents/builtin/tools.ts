import { tool } from 'ai';
import { z } from 'zod';

/**
 * The tools that the model may call. The log shows a call's kind (`KINDS`); `tool-runner.ts`
 * carries it out.
 */
const path = z.string().min(1).max(1000).describe('Relative to the workspace.');

export const INPUTS = {
  list_files: z.object({ path: path.optional() }),
  search: z.object({
    pattern: z.string().min(1).max(1000).describe('An extended regular expression.'),
    path: path.optional(),
  }),
  read_file: z.object({
    path,
    from_line: z.number().int().min(1).optional(),
    lines: z.number().int().min(1).max(2000).optional(),
  }),
  write_file: z.object({ path, content: z.string() }),
  edit_file: z.object({
    path,
    old_text: z.string().min(1).describe('Must be in the file exactly once.'),
    new_text: z.string(),
  }),
  run_command: z.object({
    command: z.string().min(1).max(20_000).describe('Run with `sh -c` in the workspace.'),
    timeout_s: z.number().int().min(1).max(600).optional(),
  }),
  update_plan: z.object({
    items: z
      .array(z.object({ text: z.string().max(300), status: z.enum(['pending', 'active', 'done']) }))
      .max(50),
  }),
} as const;

export type ToolName = keyof typeof INPUTS;

export const KINDS: Readonly<Record<ToolName, string>> = {
  list_files: 'read',
  search: 'search',
  read_file: 'read',
  write_file: 'edit',
  edit_file: 'edit',
  run_command: 'execute',
  update_plan: 'plan',
};

/** Without `execute`: the loop answers, reports and saves the calls one by one. */
export const TOOLS = {
  list_files: tool({
    description: 'Lists the files below a folder. Ignored, binary and empty files are left out.',
    inputSchema: INPUTS.list_files,
  }),
  search: tool({
    description: 'Finds lines that match a regular expression in the files of the workspace.',
    inputSchema: INPUTS.search,
  }),
  read_file: tool({
    description: 'Reads a text file, or some of its lines.',
    inputSchema: INPUTS.read_file,
  }),
  write_file: tool({
    description: 'Writes a whole file, also a new one.',
    inputSchema: INPUTS.write_file,
  }),
  edit_file: tool({
    description: 'Replaces one piece of text in a file.',
    inputSchema: INPUTS.edit_file,
  }),
  run_command: tool({
    description: 'Runs a shell command. Its output is cut in the middle when it is long.',
    inputSchema: INPUTS.run_command,
  }),
  update_plan: tool({
    description: 'Shows your steps to the person who waits. Send the whole list each time.',
    inputSchema: INPUTS.update_plan,
  }),
};

export function isToolName(name: string): name is ToolName {
  return Object.hasOwn(INPUTS, name);
}
