import { mkdir, open, readFile, readlink, realpath, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import type { z } from 'zod';
import { COMMAND_TIMEOUT_MS, runCommand } from './command.ts';
import { INPUTS, isToolName, type ToolName } from './tools.ts';
import type { PlanStatus } from './wire.ts';

/** Carries out the model's tool calls. Every answer is bounded; a refusal is an answer too. */
export const FILE_MAX_BYTES = 4 * 1024 * 1024;
export const READ_LINES = 400;
export const ANSWER_MAX_CHARS = 32 * 1024;
const LOOKUP_TIMEOUT_MS = 30_000;
/** Links in a row that Linux follows at most. */
const LINKS_MAX = 40;

interface ToolAnswer {
  readonly ok: boolean;
  readonly output: string;
  readonly exitCode: number | null;
}

interface ToolContext {
  readonly workspaceDir: string;
  readonly signal: AbortSignal;
  setPlan(items: { text: string; status: PlanStatus }[]): void;
}

type Tools = {
  [N in ToolName]: (
    input: z.infer<(typeof INPUTS)[N]>,
    context: ToolContext,
  ) => Promise<ToolAnswer>;
};

/** Never rejects. */
export async function runTool(
  name: string,
  input: unknown,
  context: ToolContext,
): Promise<ToolAnswer> {
  if (!isToolName(name)) return refused(`There is no tool ${name.slice(0, 100)}.`);
  const parsed = INPUTS[name].safeParse(input);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`);
    return refused(`The arguments do not fit: ${faults.join('; ')}`);
  }
  try {
    const run = RUN[name] as (input: unknown, context: ToolContext) => Promise<ToolAnswer>;
    return await run(parsed.data, context);
  } catch (error) {
    return refused(error instanceof Error ? error.message : 'It failed.');
  }
}

const done = (output: string): ToolAnswer => ({ ok: true, output: cut(output), exitCode: null });
const refused = (output: string): ToolAnswer => ({
  ok: false,
  output: cut(output),
  exitCode: null,
});

const cut = (output: string): string =>
  output.length <= ANSWER_MAX_CHARS
    ? output
    : `${output.slice(0, ANSWER_MAX_CHARS)}\n[… ${output.length - ANSWER_MAX_CHARS} more]`;

const RUN: Tools = {
  list_files: async ({ path = '.' }, context) => {
    const { output } = await lookUp(['-l', '-e', ''], path, context);
    return done(output || 'No files.');
  },
  search: async ({ pattern, path = '.' }, context) => {
    const { exitCode, output, timedOut } = await lookUp(['-n', '-e', pattern], path, context);
    if (timedOut) return refused('The search took too long.');
    if (exitCode === 1) return done('No matches.');
    return exitCode === 0 ? done(output) : refused(output);
  },
  read_file: async ({ path, from_line = 1, lines = READ_LINES }, { workspaceDir }) => {
    const content = await readText(await inside(workspaceDir, path));
    const all = content.split('\n');
    const shown = all.slice(from_line - 1, from_line - 1 + lines);
    const last = from_line - 1 + shown.length;
    const note = last < all.length ? `\n[lines ${from_line} to ${last} of ${all.length}]` : '';
    return done(shown.join('\n') + note);
  },
  write_file: async ({ path, content }, { workspaceDir }) => {
    const file = await inside(workspaceDir, path);
    if (Buffer.byteLength(content) > FILE_MAX_BYTES) return refused('The file would be too large.');
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    return done(`Wrote ${path}.`);
  },
  edit_file: async ({ path, old_text, new_text }, { workspaceDir }) => {
    const file = await inside(workspaceDir, path);
    const before = await readText(file);
    const at = before.indexOf(old_text);
    if (at < 0) return refused(`old_text is not in ${path}.`);
    if (before.indexOf(old_text, at + 1) >= 0) return refused(`old_text is in ${path} twice.`);
    await writeFile(file, before.slice(0, at) + new_text + before.slice(at + old_text.length));
    return done(`Edited ${path}.`);
  },
  run_command: async ({ command, timeout_s }, { workspaceDir, signal }) => {
    const timeoutMs = timeout_s === undefined ? COMMAND_TIMEOUT_MS : timeout_s * 1000;
    const result = await runCommand(['sh', '-c', command], {
      cwd: workspaceDir,
      timeoutMs,
      signal,
    });
    const { exitCode, output, timedOut } = result;
    const note = timedOut ? `\n[stopped after ${timeoutMs / 1000} s]` : '';
    return { ok: exitCode === 0, output: output + note || '(no output)', exitCode };
  },
  update_plan: async ({ items }, context) => {
    context.setPlan(items);
    return done('The plan is shown.');
  },
};

/** `git grep` skips ignored files, also outside of a repository, and needs no index. */
async function lookUp(args: readonly string[], path: string, context: ToolContext) {
  const { workspaceDir, signal } = context;
  const target = relative(await inside(workspaceDir, '.'), await inside(workspaceDir, path)) || '.';
  const flags = ['--no-index', '--exclude-standard', '--no-color', '-I', '-E'];
  return runCommand(['git', 'grep', ...flags, ...args, '--', target], {
    cwd: workspaceDir,
    timeoutMs: LOOKUP_TIMEOUT_MS,
    signal,
  });
}

async function readText(file: string): Promise<string> {
  const info = await stat(file);
  if (!info.isFile()) throw new Error('That is not a file.');
  if (info.size > FILE_MAX_BYTES) {
    throw new Error(`The file has ${info.size} bytes; use run_command.`);
  }
  if (await isBinary(file)) throw new Error('That is a binary file.');
  return readFile(file, 'utf8');
}

async function isBinary(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(8192), 0, 8192, 0);
    return buffer.subarray(0, bytesRead).includes(0);
  } finally {
    await handle.close();
  }
}

/**
 * Resolves a path of the model, relative to the workspace and with links followed. Throws when it
 * is outside. The sandbox is the barrier; this check keeps an honest agent from mistakes.
 */
async function inside(workspaceDir: string, path: string): Promise<string> {
  const root = await realpath(workspaceDir);
  const target = await reachable(resolve(root, path), LINKS_MAX);
  if (target === root || target.startsWith(root + sep)) return target;
  throw new Error(`${path} is outside the workspace.`);
}

/** `path` with the links of all its parts followed, also of a link to what does not exist. */
async function reachable(path: string, links: number): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const folder = await reachable(dirname(path), links);
  const here = join(folder, basename(path));
  const target = await readlink(here).catch(() => null);
  if (target === null) return here;
  if (links === 0) throw new Error('Too many links.');
  return reachable(resolve(folder, target), links - 1);
}
