import { z } from 'zod';
import { listQuery, page, timestamp } from './common.ts';
import { runReason } from './run-events.ts';

/**
 * Agent runs over HTTP: repositories, tasks, messages, runs and what they leave behind. All ids are
 * ours (`rpo_`, `tsk_`, `msg_`, `run_`, `art_`); all times are the database's.
 */
export const RUN_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'canceled'] as const;
export const runStatus = z.enum(RUN_STATUSES);
export type RunStatus = z.infer<typeof runStatus>;

export const INSTRUCTION_MAX_CHARS = 48_000;
export const AGENTS_MAX = 8;
/** As JSON in UTF-8, in which the log keeps it: a character may take up to six. */
export const INSTRUCTION_MAX_BYTES = 60 * 1024;

/** One line of text that people read in lists, terminals and mails. */
function line(maxChars: number) {
  const text = z.string().trim().min(1).max(maxChars);
  return text.regex(/^\P{Cc}*$/u, 'must not hold control characters');
}

export const taskTitle = line(200);
const repoName = line(100);
const instruction = z
  .string()
  .trim()
  .min(1)
  .max(INSTRUCTION_MAX_CHARS)
  .refine(text => new TextEncoder().encode(JSON.stringify(text)).length <= INSTRUCTION_MAX_BYTES, {
    message: `takes more than ${INSTRUCTION_MAX_BYTES} bytes`,
  });
/** Some agents read a value that begins with a dash as an option. */
const modelName = z.string().regex(/^[A-Za-z0-9][\w.:/@+[\]-]{0,99}$/, 'not the name of a model');
/** A branch, tag or commit; what git would read as an option or a range is refused. */
export const gitRef = z
  .string()
  .min(1)
  .max(200)
  .regex(/^(?!-)(?!.*(\.\.|@\{|\/\/|\\))[A-Za-z0-9][A-Za-z0-9._/@+-]*$/, 'not a git ref');
const agentName = z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'lower-case letters, digits and -');

export const newRepo = z.strictObject({
  url: z.string().max(500).optional().describe('`https://…` or `ssh://…`; one of url and path.'),
  path: z.string().max(1000).optional().describe('A folder on the server; local mode only.'),
  name: repoName.optional(),
  default_branch: gitRef.optional(),
  test_command: z.string().max(1000).optional().describe('Run with `sh -c` in the sandbox.'),
});
export type NewRepo = z.infer<typeof newRepo>;

export const repoPatch = z.strictObject({
  name: repoName.optional(),
  default_branch: gitRef.optional(),
  test_command: z.string().max(1000).nullable().optional(),
  allow_ci_changes: z.boolean().optional(),
});

export const repo = z.object({
  id: z.string(),
  project_id: z.string(),
  created_by: z.string(),
  name: z.string(),
  url: z.string().nullable(),
  path: z.string().nullable(),
  default_branch: z.string().nullable().describe("Null: the remote's own."),
  test_command: z.string().nullable(),
  allow_ci_changes: z
    .boolean()
    .describe("Whether branches of runs that change workflows of the remote's CI are pushed."),
  created_at: timestamp,
});
export type Repo = z.infer<typeof repo>;
export const repoPage = page(repo);

export const TASK_COLUMNS = [
  'backlog',
  'todo',
  'in_progress',
  'in_review',
  'done',
  'archived',
] as const;
export const taskColumn = z.enum(TASK_COLUMNS);
export type TaskColumn = z.infer<typeof taskColumn>;

export const newTask = z.strictObject({
  repo_id: z.string().max(64),
  title: taskTitle,
  instruction,
});
export type NewTask = z.infer<typeof newTask>;

export const runCounts = z.object({
  queued: z.number().int(),
  running: z.number().int(),
  succeeded: z.number().int(),
  failed: z.number().int(),
  canceled: z.number().int(),
});

const upperBound = z
  .boolean()
  .describe('A call reported no usage, so it counts as the most that it could have cost.');

export const task = z.object({
  id: z.string(),
  project_id: z.string(),
  repo_id: z.string(),
  created_by: z.string(),
  title: z.string(),
  column: taskColumn,
  runs: runCounts,
  picked_run_id: z.string().nullable(),
  cost_usd: z.number(),
  cost_is_upper_bound: upperBound,
  created_at: timestamp,
  updated_at: timestamp,
});
export type Task = z.infer<typeof task>;
export const taskListQuery = listQuery.extend({
  repo_id: z.string().max(64).optional(),
  column: taskColumn.optional(),
});
export const taskPage = page(task);

export const newMessage = z.strictObject({ instruction });
export const message = z.object({
  id: z.string(),
  task_id: z.string(),
  created_by: z.string(),
  number: z.number().int().describe('1, 2, 3… in the task.'),
  instruction: z.string().nullable().describe('Null where the reader may not see it.'),
  created_at: timestamp,
});
export type Message = z.infer<typeof message>;
export const messagePage = page(message);

export const newRuns = z.strictObject({
  agents: z.array(agentName).min(1).max(AGENTS_MAX),
  instruction: instruction.optional().describe('A new message; default: the latest one.'),
  message_id: z.string().max(64).optional().describe('An earlier message instead.'),
  base_ref: gitRef.optional(),
  model: modelName.optional().describe("Default: the agent's own."),
  continues: z.string().max(64).optional().describe('Start from the work of this run.'),
});
export type NewRuns = z.infer<typeof newRuns>;

export const startedRuns = z.object({
  runs: z.array(z.object({ id: z.string(), agent: z.string(), status: runStatus })),
});

export const changedFile = z.object({
  path: z.string(),
  old_path: z.string().nullable(),
  status: z.enum(['added', 'modified', 'deleted', 'renamed', 'type_changed']),
  insertions: z.number().int().nullable().describe('Null for a binary file.'),
  deletions: z.number().int().nullable(),
});
export type ChangedFile = z.infer<typeof changedFile>;

export const testResult = z.object({
  exit_code: z.number().int().nullable(),
  duration_s: z.number(),
});

export const runUsage = z.object({
  input_tokens: z.number().int(),
  output_tokens: z.number().int(),
  cached_tokens: z.number().int(),
  calls: z.number().int(),
});
export type RunUsage = z.infer<typeof runUsage>;

export const run = z.object({
  id: z.string(),
  project_id: z.string(),
  task_id: z.string(),
  message_id: z.string(),
  created_by: z.string(),
  agent: z.string(),
  model: z.string().nullable(),
  status: runStatus,
  reason: runReason.nullable(),
  attempt: z.number().int(),
  isolated: z.boolean().nullable(),
  summary: z.string().nullable().describe('Null where the reader may not see it.'),
  base_ref: z.string().nullable(),
  base_commit: z.string().nullable(),
  head_commit: z.string().nullable(),
  branch: z.string().nullable().describe('In the clone, and where a push goes.'),
  files_changed: z.array(changedFile),
  insertions: z.number().int(),
  deletions: z.number().int(),
  tests: z.object({ before: testResult.nullable(), after: testResult.nullable() }),
  usage: runUsage,
  cost_usd: z.number().nullable(),
  cost_is_upper_bound: upperBound,
  retry_of: z.string().nullable(),
  continues: z.string().nullable(),
  picked: z.boolean(),
  replica: z.string().nullable(),
  created_at: timestamp,
  started_at: timestamp.nullable(),
  finished_at: timestamp.nullable(),
  duration_s: z.number().nullable(),
  last_seq: z.number().int(),
});
export type Run = z.infer<typeof run>;
export const runPage = page(run);

export const artifact = z.object({
  id: z.string(),
  run_id: z.string(),
  kind: z.enum(['patch', 'log', 'checkpoint']),
  content_type: z.string(),
  size_bytes: z.number().int(),
  sha256: z.string(),
  created_at: timestamp,
});
export type Artifact = z.infer<typeof artifact>;
export const artifactPage = page(artifact);

export const agentInfo = z.object({
  name: z.string(),
  title: z.string(),
  available: z.boolean(),
  version: z.string().nullable(),
  wanted_version: z.string().nullable(),
  install: z.string().nullable().describe('The command that installs it, where it is missing.'),
  steerable: z.boolean().describe('Whether a message reaches it while it works.'),
  resumable: z.boolean(),
  isolated: z.boolean().describe('Whether this server can run it in a sandbox.'),
});
export type AgentInfo = z.infer<typeof agentInfo>;
export const agentList = z.object({
  data: z.array(agentInfo),
  isolation_note: z.string().nullable(),
});

export const queueInfo = z.object({
  queues: z.array(
    z.object({
      name: z.string(),
      queued: z.number().int(),
      active: z.number().int(),
      dead: z.number().int(),
    }),
  ),
  workers: z.array(
    z.object({
      replica: z.string(),
      revision: z.string(),
      running: z.number().int(),
      since_heartbeat_s: z.number(),
    }),
  ),
  dead_letters: z.array(
    z.object({
      job_id: z.string(),
      run_id: z.string().nullable(),
      failed_at: timestamp.nullable(),
    }),
  ),
});
export type QueueInfo = z.infer<typeof queueInfo>;

/** A reusable credential of 15 minutes for `EventSource`, which cannot send headers. */
export const newTicket = z.strictObject({ subjects: z.array(z.string().max(64)).min(1).max(50) });
export const streamTicket = z.object({ ticket: z.string(), expires_at: timestamp });
