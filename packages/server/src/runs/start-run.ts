import type { NewRuns, RunStatus } from '@holdfast/protocol';
import { notFound } from '../auth/index.ts';
import { HoldfastError, isId, newId, newUuidV7 } from '../kernel/index.ts';
import type { Trx } from '../platform/database/index.ts';
import { authorizeRow, type Caller, seesPrivate, withIdempotency } from '../work/index.ts';
import type { DriverDeps, RunsServiceDeps } from './deps.ts';
import * as queries from './queries.ts';
import type { QueueLimit } from './queue-limit.ts';
import { isFinal } from './run.ts';
import * as store from './store.ts';
import { addMessage, openInstruction } from './tasks/messages.ts';
import { archivedRepository } from './tasks/repos.ts';

export interface StartDeps extends RunsServiceDeps {
  readonly queueLimit: QueueLimit;
}

export interface StartedRuns {
  readonly runs: { readonly id: string; readonly agent: string; readonly status: RunStatus }[];
}

/** A run to be made: its row, and the instruction that its first event repeats. */
type RunDraft = store.NewRunRow & { readonly instruction: string };

/** One run for each agent, each with its subject, first event and job, in one transaction. */
export async function startRuns(
  deps: StartDeps,
  caller: Caller,
  taskId: string,
  request: NewRuns,
): Promise<StartedRuns> {
  const { db } = deps.database;
  const found = isId('tsk', taskId)
    ? await queries.findStartable(db, taskId, {
        messageId: request.message_id,
        // What a run is told, its creator reads in its log.
        reader: caller.principal.role === 'Admin' ? null : caller.principal.id,
      })
    : undefined;
  const task = await authorizeRow(deps, caller, found, {
    policy: 'runs.control',
    target: taskId,
  });
  const { answer, repeated } = await withIdempotency(deps.database, caller.idempotency, {
    status: 202,
    prepare: () => checkRequest(deps, caller, { task, request }),
    async work(trx, earlier) {
      const { id: owner, projectId } = caller.principal;
      await deps.queueLimit.admit(trx, { projectId, owner, count: request.agents.length });
      await store.reopenTask(trx, taskId);
      let { messageId, instruction } = earlier;
      if (request.instruction !== undefined) {
        instruction = request.instruction;
        const message = { taskId, instruction, forRunning: false };
        messageId = (await addMessage(deps, trx, caller, message)).id;
      }
      return insertRuns(
        deps,
        trx,
        request.agents.map(agent => ({
          id: newId('run'),
          project_id: task.project_id,
          task_id: task.id,
          message_id: messageId,
          repository_id: task.repository_id,
          created_by: owner,
          agent,
          model: request.model ?? null,
          base_ref: request.base_ref ?? null,
          retry_of: null,
          continues: request.continues ?? null,
          instruction,
        })),
        caller.trace?.traceId,
      );
    },
  });
  if (!repeated) announceRuns(deps, answer);
  return answer;
}

/** Answers the message that is there already, for requests without an instruction. */
async function checkRequest(
  deps: RunsServiceDeps,
  caller: Caller,
  { task, request }: { readonly task: queries.StartableTask; readonly request: NewRuns },
): Promise<{ readonly messageId: string; readonly instruction: string }> {
  checkAgents(deps, request.agents);
  if (request.model !== undefined) deps.checkModel?.(request.model);
  if (request.message_id !== undefined && request.instruction !== undefined) {
    throw new HoldfastError('invalid_request', 'Give one of instruction and message_id.', {
      field: 'message_id',
    });
  }
  const { message_id: id, instruction_key_id, instruction_data } = task;
  if (id === null || instruction_key_id === null || instruction_data === null) {
    throw new HoldfastError('unprocessable', 'message_id names no message of this task.', {
      field: 'message_id',
    });
  }
  if (task.repository_archived_at !== null) throw archivedRepository();
  if (request.continues !== undefined) {
    await checkContinued(deps, caller, { taskId: task.id, id: request.continues });
  }
  const message = { task_id: task.id, instruction_key_id, instruction_data };
  const instruction = await openInstruction(deps, message);
  if (instruction === null) throw new HoldfastError('gone', 'The task was erased.');
  return { messageId: id, instruction };
}

function checkAgents({ agentNames: known }: RunsServiceDeps, agents: readonly string[]): void {
  const unknown = agents.find(agent => !known.includes(agent));
  if (unknown === undefined) return;
  throw new HoldfastError('unprocessable', `There is no agent called ${unknown}.`, {
    field: 'agents',
    allowed: known,
  });
}

/** A run goes on with the conversation of another, so only who may read that continues it. */
async function checkContinued(
  deps: RunsServiceDeps,
  { principal }: Caller,
  { taskId, id }: { readonly taskId: string; readonly id: string },
): Promise<void> {
  const run = isId('run', id) ? await queries.findRun(deps.database.db, id) : undefined;
  if (run?.task_id !== taskId || !seesPrivate(principal, run.created_by)) {
    throw new HoldfastError('unprocessable', 'continues names no run of this task.', {
      field: 'continues',
    });
  }
  if (!isFinal(run.status)) {
    throw new HoldfastError('conflict', 'The run to continue has not ended.', {
      field: 'continues',
    });
  }
  if ((await queries.keptOf(deps.database.db, [id])).has(id)) return;
  throw new HoldfastError('gone', 'The run to continue was erased.', { field: 'continues' });
}

/** The same work once more, as a new run; its base is resolved anew. */
export async function retryRun(
  deps: StartDeps,
  caller: Caller,
  run: queries.RunView,
): Promise<StartedRuns> {
  const { db } = deps.database;
  const { answer, repeated } = await withIdempotency(deps.database, caller.idempotency, {
    status: 202,
    async prepare() {
      checkAgents(deps, [run.agent]);
      if (run.model !== null) deps.checkModel?.(run.model);
      const repo = await queries.findRepository(db, run.repository_id);
      if (repo === undefined || repo.archived_at !== null) throw archivedRepository();
      const message = await queries.findMessage(db, run.message_id);
      const instruction = message === undefined ? null : await openInstruction(deps, message);
      if (instruction === null) throw notFound();
      return instruction;
    },
    async work(trx, instruction) {
      const { id: owner, projectId } = caller.principal;
      await deps.queueLimit.admit(trx, { projectId, owner, count: 1 });
      await store.reopenTask(trx, run.task_id);
      const { project_id, task_id, message_id, repository_id } = run;
      const { agent, model, base_ref, continues } = run;
      const draft = {
        id: newId('run'),
        project_id,
        task_id,
        message_id,
        repository_id,
        created_by: owner,
        agent,
        model,
        base_ref,
        retry_of: run.id,
        continues,
        instruction,
      };
      return insertRuns(deps, trx, [draft], caller.trace?.traceId);
    },
  });
  if (!repeated) announceRuns(deps, answer);
  return answer;
}

/**
 * Inserts each run with its subject, its key, its job and its first event, whose trace all later
 * events of the run have.
 */
export async function insertRuns(
  deps: DriverDeps,
  trx: Trx,
  drafts: readonly RunDraft[],
  traceId?: string,
): Promise<StartedRuns> {
  for (const { instruction, ...row } of drafts) {
    const { id, project_id: projectId, created_by: createdBy } = row;
    await deps.log.create(trx, { id, kind: 'run', projectId, createdBy });
    await deps.sealer.create(trx, id);
    await store.insertRun(trx, row);
    await deps.queue.send(trx, 'agent', { run_id: id }, { singletonKey: id });
    const { task_id, message_id, agent, model, retry_of, continues } = row;
    const data = { task_id, message_id, agent, model, retry_of, continues };
    await deps.log.append(trx, {
      subject: id,
      actor: createdBy,
      appendId: newUuidV7(),
      traceId,
      events: [{ type: 'run.created', data, private: { instruction } }],
    });
  }
  return { runs: drafts.map(({ id, agent }) => ({ id, agent, status: 'queued' })) };
}

/** Writes the operator's log once the transaction has committed. */
export function announceRuns(deps: DriverDeps, started: StartedRuns): void {
  for (const { id, agent } of started.runs) {
    deps.telemetry.log.info('run.created', { run_id: id, agent });
  }
}
