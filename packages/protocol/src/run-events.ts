import { z } from 'zod';
import { define } from './catalogue.ts';

/** How a run can end, as its `reason`; `null` while it has not, and when it succeeded. */
export const RUN_REASONS = [
  'agent_error',
  'no_output',
  'time_limit',
  'disk_limit',
  'file_limit',
  'memory_limit',
  'log_limit',
  'budget',
  'worker_lost',
  'workspace',
  'canceled',
  'internal',
] as const;
export const runReason = z.enum(RUN_REASONS);
export type RunReason = z.infer<typeof runReason>;

const replica = z.string().describe('The server process that drives the run.');
const commit = z.string().describe('A git object name.');
const callId = z.string().describe("The agent's own id of the call.");
const seconds = z.number().describe('From the first start to the end.');

/** What the log of an agent run may contain. Its last event is one of the three endings. */
export const RUN_EVENTS = {
  'run.created': define('run', 'The run was queued.', {
    public: {
      task_id: z.string(),
      message_id: z.string(),
      agent: z.string(),
      model: z.string().nullable(),
      retry_of: z.string().nullable(),
      continues: z.string().nullable(),
    },
    private: { instruction: z.string() },
  }),
  'run.started': define('run', 'A worker has the run.', { public: { replica } }),
  'run.resumed': define('run', 'The next attempt goes on where a checkpoint was saved.', {
    public: {
      replica,
      reason: z.enum(['worker_lost', 'drain']),
      checkpoint: z.number().int().nullable().describe('Null: from the beginning.'),
      calls: z.number().int().optional().describe('Model calls so far, with and without an event.'),
      lost_calls: z
        .number()
        .int()
        .optional()
        .describe('Calls without a known usage; they count as all that was reserved.'),
      cost_usd: z.number().nullable().optional().describe('What the calls so far cost at most.'),
    },
  }),
  'workspace.ready': define('run', 'This attempt has its clone and can begin.', {
    public: {
      agent_version: z.string().nullable(),
      base_commit: commit,
      branch: z.string(),
      isolated: z.boolean().describe('Whether the agent runs in a sandbox.'),
    },
  }),
  'run.requeued': define('run', 'The worker gave the run back.', {
    public: { replica, reason: z.enum(['drain']) },
  }),
  'run.cancel_requested': define('run', 'A user asked to stop the run. Its work is kept.', {
    public: {},
  }),
  'agent.session': define('run', 'The agent opened or resumed its own session.', {
    public: { session_id: z.string(), model: z.string().nullable() },
  }),
  'agent.message': define('run', 'The agent wrote a message.', {
    public: { role: z.enum(['assistant', 'user']) },
    private: { text: z.string() },
  }),
  'agent.thought': define('run', 'The agent reasoned.', {
    public: {},
    private: { text: z.string() },
  }),
  'agent.plan': define('run', "The agent's list of steps, whole, whenever it changes.", {
    public: { pending: z.number().int(), active: z.number().int(), done: z.number().int() },
    private: {
      items: z.array(z.object({ text: z.string(), status: z.enum(['pending', 'active', 'done']) })),
    },
  }),
  'agent.output': define('run', 'Text that the agent or its tools wrote, escape codes included.', {
    public: { stream: z.enum(['stdout', 'stderr']), truncated: z.boolean().default(false) },
    private: { text: z.string() },
  }),
  'agent.retrying': define('run', 'A call of the model failed and is tried again.', {
    public: { attempt: z.number().int(), status: z.number().int().nullable() },
    private: { message: z.string().optional() },
  }),
  'tool.started': define('run', 'The agent uses a tool.', {
    public: { call_id: callId, name: z.string(), kind: z.string().nullable() },
    private: { input: z.string().optional() },
  }),
  'tool.finished': define('run', 'The tool is done.', {
    public: {
      call_id: callId,
      status: z.enum(['ok', 'error']),
      exit_code: z.number().int().nullable(),
    },
    private: { output: z.string().optional() },
  }),
  'message.steered': define('run', 'A message reached the agent while it worked.', {
    public: { message_id: z.string() },
  }),
  'model.called': define('run', 'One call of a model through the gateway was settled.', {
    public: {
      model: z.string(),
      input_tokens: z.number().int(),
      output_tokens: z.number().int(),
      cached_tokens: z.number().int(),
      cost_usd: z.number().nullable(),
      status: z.number().int(),
    },
  }),
  'budget.reached': define('run', 'Spending has reached a share of a budget.', {
    public: {
      scope: z.enum(['run', 'owner', 'project_month']),
      percent: z.number().int(),
      spent_usd: z.number(),
      limit_usd: z.number(),
    },
  }),
  'checkpoint.saved': define('run', 'What there is was saved; a later attempt goes on from here.', {
    public: { number: z.number().int(), commit, size_bytes: z.number().int() },
  }),
  'tests.finished': define('run', "The repository's own test command was run.", {
    public: {
      phase: z.enum(['before', 'after']),
      exit_code: z.number().int().nullable().describe('Null: it did not end in time.'),
      duration_s: z.number(),
    },
    private: { output: z.string() },
  }),
  'patch.created': define('run', 'The work as a patch against the base.', {
    public: {
      artifact_id: z.string(),
      commit,
      branch: z.string(),
      files: z.number().int(),
      insertions: z.number().int(),
      deletions: z.number().int(),
      size_bytes: z.number().int(),
    },
  }),
  'run.picked': define('run', 'A user chose this run among those of its message.', {
    public: {},
  }),
  'push.intended': define('run', 'The branch is about to be pushed.', {
    public: { branch: z.string(), commit },
  }),
  'push.finished': define('run', 'The remote has the branch, or does not.', {
    public: {
      branch: z.string(),
      commit,
      outcome: z.enum(['pushed', 'already_there', 'failed']),
    },
    private: {
      message: z.string().optional(),
      /** Why it was refused: the first changed files of CI, and how many there are. */
      ci_changes: z
        .object({ files: z.array(z.string()).readonly(), total: z.number().int() })
        .optional(),
    },
  }),
  'run.succeeded': define('run', 'The agent reported success.', {
    public: { duration_s: seconds, cost_usd: z.number().nullable() },
    private: { summary: z.string() },
  }),
  'run.failed': define('run', 'The run ended without success. What was done is kept.', {
    public: { reason: runReason, duration_s: seconds, cost_usd: z.number().nullable() },
    private: { message: z.string().optional() },
  }),
  'run.canceled': define('run', 'A user stopped the run. What was done is kept.', {
    public: { reason: runReason, duration_s: seconds, cost_usd: z.number().nullable() },
  }),
} as const;
