import type { NewRuns } from '@holdfast/protocol';
import { notFound } from '../auth/index.ts';
import { allOf, HoldfastError, isId, newId } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import { accessTaskRow, type Caller } from './access.ts';
import { once } from './idempotency.ts';
import {
  admitRuns,
  announceRuns,
  insertRuns,
  type RunDraft,
  type StartedRuns,
} from './new-runs.ts';
import * as queries from './queries.ts';
import { isFinal } from './run.ts';
import type { RunsServiceDeps } from './service.ts';
import { type MessageRow, type TaskRow, tables } from './tables.ts';
import { archived, insertMessage, openInstruction } from './tasks.ts';

/** One run for each agent, each with its subject, first event and job, in one transaction. */
export async function startRuns(
  deps: RunsServiceDeps,
  caller: Caller,
  taskId: string,
  request: NewRuns,
): Promise<StartedRuns> {
  // Asked for at the same time; whether the caller may know comes first all the same.
  const preparing = caller.idempotency === undefined && prepare(deps, taskId, request);
  if (preparing !== false) preparing.catch(() => {});
  const task = await accessTaskRow(deps, caller, taskId, 'runs.control');
  const { answer, repeated } = await once(deps.database, caller.idempotency, {
    status: 202,
    prepare: () => preparing || prepare(deps, taskId, request),
    async work(trx, latest) {
      const [, , answer] = await allOf([
        admit(deps, trx, caller, request.agents.length),
        task.column_override === null ? null : takeUp(trx, taskId),
        insertAll(deps, trx, { caller, task, request, latest }),
      ]);
      return answer;
    },
  });
  if (!repeated) announceRuns(deps, answer);
  return answer;
}

interface Start {
  readonly caller: Caller;
  readonly task: TaskRow;
  readonly request: NewRuns;
  readonly latest: { readonly message: MessageRow; readonly instruction: string };
}

async function insertAll(deps: RunsServiceDeps, trx: Trx, start: Start): Promise<StartedRuns> {
  const { caller, task, request } = start;
  const { row, text } = await messageToRun(deps, trx, start);
  const drafts = request.agents.map(
    (agent): RunDraft => ({
      id: newId('run'),
      projectId: task.project_id,
      taskId: task.id,
      messageId: row.id,
      repositoryId: task.repository_id,
      createdBy: caller.principal.id,
      agent,
      model: request.model ?? null,
      baseRef: request.base_ref ?? null,
      retryOf: null,
      continues: request.continues ?? null,
      instruction: text,
    }),
  );
  return insertRuns(deps, trx, drafts);
}

/** The message of new runs: one that is there, or a new one with the request's instruction. */
async function messageToRun(
  deps: RunsServiceDeps,
  trx: Trx,
  { caller, task, request, latest }: Start,
): Promise<{ row: MessageRow; text: string }> {
  const { instruction } = request;
  if (instruction === undefined) return { row: latest.message, text: latest.instruction };
  const row = await insertMessage(deps, trx, caller, {
    taskId: task.id,
    instruction,
    forRunning: false,
  });
  return { row, text: instruction };
}

async function prepare(
  deps: RunsServiceDeps,
  taskId: string,
  request: NewRuns,
): Promise<{ message: MessageRow; instruction: string }> {
  const { db } = deps.database;
  checkAgents(deps, request.agents);
  if (request.model !== undefined) deps.checkModel?.(request.model);
  const [repo, message] = await Promise.all([
    queries.findRepositoryOfTask(db, taskId),
    messageOf(deps, taskId, request),
    deps.sealer.lookUpKey(db, taskId),
  ]);
  if (repo === undefined || repo.archived_at !== null) throw archived();
  if (request.continues !== undefined) await checkContinued(deps, taskId, request.continues);
  const instruction = await openInstruction(deps, message);
  if (instruction === null) throw new HoldfastError('gone', 'The task was erased.');
  return { message, instruction };
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

async function messageOf(
  deps: RunsServiceDeps,
  taskId: string,
  request: NewRuns,
): Promise<MessageRow> {
  const { db } = deps.database;
  if (request.message_id !== undefined && request.instruction !== undefined) {
    throw new HoldfastError('invalid_request', 'Give one of instruction and message_id.', {
      field: 'message_id',
    });
  }
  const message =
    request.message_id === undefined
      ? await queries.latestMessage(db, taskId)
      : await queries.findMessage(db, request.message_id);
  if (message?.task_id === taskId) return message;
  throw new HoldfastError('unprocessable', 'message_id names no message of this task.', {
    field: 'message_id',
  });
}

/** The same work once more, as a new run; its base is taken anew. */
export async function retryRun(
  deps: RunsServiceDeps,
  caller: Caller,
  run: queries.RunView,
): Promise<StartedRuns> {
  const { answer, repeated } = await once(deps.database, caller.idempotency, {
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

function admit(
  deps: RunsServiceDeps,
  trx: Trx,
  { principal }: Caller,
  count: number,
): Promise<void> {
  return admitRuns(deps, trx, { projectId: principal.projectId, owner: principal.id, count });
}
