import type { NewRuns } from '@holdfast/protocol';
import { notFound } from '../auth/index.ts';
import { allOf, HoldfastError, isId, newId } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import { authorizeRow, type Caller, withIdempotency } from '../work/index.ts';
import { announceRuns, insertRuns, type RunDraft, type StartedRuns } from './new-runs.ts';
import * as queries from './queries.ts';
import type { Admission } from './queue-limit.ts';
import { isFinal } from './run.ts';
import type { RunsServiceDeps } from './service.ts';
import { tables } from './tables.ts';
import { archived, insertMessage, openInstruction, type SealedMessage } from './tasks/tasks.ts';

export interface StartDeps extends RunsServiceDeps {
  readonly admission: Admission;
}

/** One run for each agent, each with its subject, first event and job, in one transaction. */
export async function startRuns(
  deps: StartDeps,
  caller: Caller,
  taskId: string,
  request: NewRuns,
): Promise<StartedRuns> {
  const task = await accessStartable(deps, caller, taskId, request.message_id);
  const { answer, repeated } = await withIdempotency(deps.database, caller.idempotency, {
    status: 202,
    prepare: () => prepare(deps, task, request),
    async work(trx, earlier) {
      const [, , answer] = await allOf([
        admit(deps, trx, caller, request.agents.length),
        task.column_override === null ? null : takeUp(trx, taskId),
        insertAll(deps, trx, { caller, task, request, earlier }),
      ]);
      return answer;
    },
  });
  if (!repeated) announceRuns(deps, answer);
  return answer;
}

/** The message of a run, opened. */
interface Instructed {
  readonly messageId: string;
  readonly instruction: string;
}

interface Start {
  readonly caller: Caller;
  readonly task: queries.StartableTask;
  readonly request: NewRuns;
  readonly earlier: Instructed;
}

/** The key for the instruction is looked up at the same time. */
async function accessStartable(
  deps: RunsServiceDeps,
  caller: Caller,
  id: string,
  messageId: string | undefined,
): Promise<queries.StartableTask> {
  const { db } = deps.database;
  // Whether the caller may know comes first: that there is no key is said when it is used.
  const looking = isId('tsk', id) && deps.sealer.lookUpKey(db, id).catch(() => {});
  const row = looking ? await queries.findStartable(db, id, messageId) : undefined;
  await looking;
  return authorizeRow(deps, caller, row, { policy: 'runs.control', target: id });
}

async function insertAll(deps: RunsServiceDeps, trx: Trx, start: Start): Promise<StartedRuns> {
  const { caller, task, request } = start;
  const { messageId, instruction } = await messageToRun(deps, trx, start);
  const drafts = request.agents.map(
    (agent): RunDraft => ({
      id: newId('run'),
      projectId: task.project_id,
      taskId: task.id,
      messageId,
      repositoryId: task.repository_id,
      createdBy: caller.principal.id,
      agent,
      model: request.model ?? null,
      baseRef: request.base_ref ?? null,
      retryOf: null,
      continues: request.continues ?? null,
      instruction,
    }),
  );
  return insertRuns(deps, trx, drafts);
}

/** The message of new runs: one that is there, or a new one with the request's instruction. */
async function messageToRun(
  deps: RunsServiceDeps,
  trx: Trx,
  { caller, task, request, earlier }: Start,
): Promise<Instructed> {
  const { instruction } = request;
  if (instruction === undefined) return earlier;
  const message = { taskId: task.id, instruction, forRunning: false };
  const { id: messageId } = await insertMessage(deps, trx, caller, message);
  return { messageId, instruction };
}

async function prepare(
  deps: RunsServiceDeps,
  task: queries.StartableTask,
  request: NewRuns,
): Promise<Instructed> {
  checkAgents(deps, request.agents);
  if (request.model !== undefined) deps.checkModel?.(request.model);
  const message = messageOf(task, request);
  if (task.repository_archived_at !== null) throw archived();
  if (request.continues !== undefined) await checkContinued(deps, task.id, request.continues);
  const instruction = await openInstruction(deps, message);
  if (instruction === null) throw new HoldfastError('gone', 'The task was erased.');
  return { messageId: message.id, instruction };
}

function checkAgents({ agentNames: known }: RunsServiceDeps, agents: readonly string[]): void {
  const unknown = agents.find(agent => !known.includes(agent));
  if (unknown === undefined) return;
  throw new HoldfastError('unprocessable', `There is no agent called ${unknown}.`, {
    field: 'agents',
    allowed: known,
  });
}

async function checkContinued(deps: RunsServiceDeps, taskId: string, id: string): Promise<void> {
  const run = isId('run', id) ? await queries.findRun(deps.database.db, id) : undefined;
  if (run?.task_id !== taskId) {
    throw new HoldfastError('unprocessable', 'continues names no run of this task.', {
      field: 'continues',
    });
  }
  if (isFinal(run.status)) return;
  throw new HoldfastError('conflict', 'The run to continue has not ended.', {
    field: 'continues',
  });
}

function messageOf(task: queries.StartableTask, request: NewRuns): SealedMessage {
  if (request.message_id !== undefined && request.instruction !== undefined) {
    throw new HoldfastError('invalid_request', 'Give one of instruction and message_id.', {
      field: 'message_id',
    });
  }
  const { message_id: id, instruction_key_id, instruction_data } = task;
  if (id !== null && instruction_key_id !== null && instruction_data !== null) {
    return { id, task_id: task.id, instruction_key_id, instruction_data };
  }
  throw new HoldfastError('unprocessable', 'message_id names no message of this task.', {
    field: 'message_id',
  });
}

/** The same work once more, as a new run; its base is taken anew. */
export async function retryRun(
  deps: StartDeps,
  caller: Caller,
  run: queries.RunView,
): Promise<StartedRuns> {
  const { answer, repeated } = await withIdempotency(deps.database, caller.idempotency, {
    status: 202,
    async prepare() {
      const { db } = deps.database;
      checkAgents(deps, [run.agent]);
      if (run.model !== null) deps.checkModel?.(run.model);
      const repo = await queries.findRepository(db, run.repository_id);
      if (repo === undefined || repo.archived_at !== null) throw archived();
      const message = await queries.findMessage(db, run.message_id);
      const instruction = message === undefined ? null : await openInstruction(deps, message);
      if (instruction === null) throw notFound();
      return instruction;
    },
    async work(trx, instruction) {
      await admit(deps, trx, caller, 1);
      await takeUp(trx, run.task_id);
      return insertRuns(deps, trx, [draftAgain(caller, run, instruction)]);
    },
  });
  if (!repeated) announceRuns(deps, answer);
  return answer;
}

/**
 * What was put off, or called done, is taken up again: where the task stands afterwards is for its
 * runs to say. An archived task stays out of sight.
 */
async function takeUp(trx: Trx, taskId: string): Promise<void> {
  await tables(trx)
    .updateTable('tasks')
    .set({ column_override: null })
    .where('id', '=', taskId)
    .where('column_override', '<>', 'archived')
    .execute();
}

function draftAgain({ principal }: Caller, run: queries.RunView, instruction: string): RunDraft {
  return {
    id: newId('run'),
    projectId: run.project_id,
    taskId: run.task_id,
    messageId: run.message_id,
    repositoryId: run.repository_id,
    createdBy: principal.id,
    agent: run.agent,
    model: run.model,
    baseRef: run.base_ref,
    retryOf: run.id,
    continues: run.continues,
    instruction,
  };
}

function admit(deps: StartDeps, trx: Trx, { principal }: Caller, count: number): Promise<void> {
  const { id: owner, projectId } = principal;
  return deps.admission.admit(trx, { projectId, owner, count });
}
