import type { Message, NewTask, Task, TaskColumn } from '@holdfast/protocol';
import { sql } from 'kysely';
import { authorize, notFound } from '../../auth/index.ts';
import { HoldfastError, newId } from '../../kernel/index.ts';
import type { Trx } from '../../platform/database/index.ts';
import type { Log } from '../../platform/log/index.ts';
import type { Sealer } from '../../platform/secrets/index.ts';
import {
  type Caller,
  cursorId,
  cursorNumber,
  cursorOf,
  type Page,
  seesPrivate,
  withIdempotency,
} from '../../work/index.ts';
import { type AccessDeps, accessTask } from '../access.ts';
import { presentMessage, presentTask } from '../present.ts';
import * as queries from '../queries.ts';
import { type MessageRow, tables } from '../tables.ts';
import { CHOSEN_COLUMNS, type ChosenColumn } from './task.ts';

export interface TaskPatch {
  readonly title?: string | undefined;
  /** Null: as its runs say. */
  readonly column?: ChosenColumn | null | undefined;
}

export interface TaskListQuery {
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly repo_id?: string | undefined;
  readonly column?: TaskColumn | undefined;
}

/** The verbs on tasks and their messages. A task is its creator's; others in the project read. */
export interface Tasks {
  create(caller: Caller, task: NewTask): Promise<Task>;
  list(caller: Caller, query: TaskListQuery): Promise<Page<Task>>;
  get(caller: Caller, id: string): Promise<Task>;
  update(caller: Caller, id: string, patch: TaskPatch): Promise<Task>;
  /** Oldest first; instructions for their authors and Admins only. */
  messages(
    caller: Caller,
    id: string,
    query: { cursor?: string | undefined; limit: number },
  ): Promise<Page<Message>>;
  /** A follow-up: steered into the runs at work, or the instruction of the next one. */
  addMessage(caller: Caller, id: string, instruction: string): Promise<Message>;
}

export interface TasksDeps extends AccessDeps {
  readonly log: Log;
  readonly sealer: Sealer;
}

/** Pages looked at for one page of one column. */
const FILTER_PAGES_MAX = 10;
const FILTER_PAGE = 200;

export function createTasks(deps: TasksDeps): Tasks {
  const { db } = deps.database;
  return {
    create: (caller, task) => create(deps, caller, task),
    list: (caller, query) => list(deps, caller, query),
    get: async (caller, id) => presentTask(await accessTask(deps, caller, id, 'runs.read')),
    async update(caller, id, patch) {
      await accessTask(deps, caller, id, 'runs.control');
      await tables(db)
        .updateTable('tasks')
        .set({
          ...(patch.title !== undefined && { title: patch.title }),
          ...(patch.column !== undefined && { column_override: patch.column }),
          updated_at: sql<Date>`now()`,
        })
        .where('id', '=', id)
        .execute();
      return presentTask((await queries.findTask(db, id))!);
    },
    messages: (caller, id, query) => messages(deps, caller, { id, ...query }),
    addMessage: (caller, id, instruction) => addMessage(deps, caller, id, instruction),
  };
}

async function create(deps: TasksDeps, caller: Caller, task: NewTask): Promise<Task> {
  const { principal } = caller;
  authorize('runs.write', principal);
  const { answer } = await withIdempotency(deps.database, caller.idempotency, {
    status: 201,
    async prepare() {
      const repo = await queries.findRepository(deps.database.db, task.repo_id);
      if (repo?.project_id !== principal.projectId) throw notFound();
      if (repo.archived_at !== null) throw archived();
    },
    async work(trx) {
      const id = newId('tsk');
      await tables(trx)
        .insertInto('tasks')
        .values({
          id,
          project_id: principal.projectId,
          repository_id: task.repo_id,
          created_by: principal.id,
          title: task.title,
        })
        .execute();
      const { instruction } = task;
      await insertMessage(deps, trx, caller, { taskId: id, instruction, forRunning: false });
      return presentTask((await queries.findTask(trx, id))!);
    },
  });
  return answer;
}

export function archived(): HoldfastError {
  return new HoldfastError('conflict', 'The repository is archived.', { field: 'repo_id' });
}

/**
 * Adds the next message of a task, whose row it locks to number it. `forRunning`: it is meant for
 * the agents at work, if there are any.
 */
export async function insertMessage(
  deps: Pick<TasksDeps, 'sealer'>,
  trx: Trx,
  caller: Caller,
  message: { taskId: string; instruction: string; forRunning: boolean },
): Promise<MessageRow> {
  const { taskId, instruction } = message;
  const task = await tables(trx)
    .updateTable('tasks')
    .set({ updated_at: sql<Date>`now()` })
    .where('id', '=', taskId)
    .returning('project_id')
    .executeTakeFirstOrThrow();
  // Only now: a run that ends takes the same lock before it looks for messages.
  const forRunning = message.forRunning && (await queries.hasOpenRun(trx, taskId));
  const latest = await queries.latestMessage(trx, taskId);
  const sealed = await deps.sealer.seal(trx, taskId, instruction);
  return await tables(trx)
    .insertInto('messages')
    .values({
      id: newId('msg'),
      task_id: taskId,
      project_id: task.project_id,
      created_by: caller.principal.id,
      number: (latest?.number ?? 0) + 1,
      instruction_key_id: sealed.keyId,
      instruction_data: sealed.ciphertext,
      for_running: forRunning,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** A column is derived, so one column's page is picked from pages of all. */
async function list(deps: TasksDeps, caller: Caller, query: TaskListQuery): Promise<Page<Task>> {
  const { column, limit } = query;
  const found: Task[] = [];
  let before = cursorId('tsk', query.cursor);
  for (let pages = 0; pages < FILTER_PAGES_MAX; pages += 1) {
    const size = column === undefined ? limit + 1 : FILTER_PAGE;
    const rows = await queries.listTasks(deps.database.db, {
      projectId: caller.principal.projectId,
      repositoryId: query.repo_id,
      before,
      limit: size,
    });
    for (const task of rows.map(presentTask)) {
      if (column !== undefined && task.column !== column) continue;
      found.push(task);
      if (found.length > limit) {
        const data = found.slice(0, limit);
        return { data, next_cursor: cursorOf(data.at(-1)!.id) };
      }
    }
    if (rows.length < size) return { data: found, next_cursor: null };
    before = rows.at(-1)!.id;
  }
  return { data: found, next_cursor: before === undefined ? null : cursorOf(before) };
}

async function messages(
  deps: TasksDeps,
  caller: Caller,
  query: { id: string; cursor?: string | undefined; limit: number },
): Promise<Page<Message>> {
  const { id, limit } = query;
  const { principal } = caller;
  await accessTask(deps, caller, id, 'runs.read');
  const after = cursorNumber(query.cursor);
  const rows = await queries.listMessages(deps.database.db, {
    taskId: id,
    after,
    limit: limit + 1,
  });
  const shown = rows.slice(0, limit);
  const data = await Promise.all(
    shown.map(async row => {
      const mine = seesPrivate(principal, row.created_by);
      return presentMessage(row, mine ? await openInstruction(deps, row) : null);
    }),
  );
  const more = rows.length > limit;
  return { data, next_cursor: more ? cursorOf(String(shown.at(-1)!.number)) : null };
}

export type SealedMessage = Pick<
  MessageRow,
  'id' | 'task_id' | 'instruction_key_id' | 'instruction_data'
>;

/** Null once its key was erased. */
export async function openInstruction(
  deps: Pick<TasksDeps, 'database' | 'sealer'>,
  row: SealedMessage,
): Promise<string | null> {
  const sealed = { keyId: row.instruction_key_id, ciphertext: row.instruction_data };
  const opened = await deps.sealer.open(deps.database.db, row.task_id, sealed);
  return typeof opened === 'string' ? opened : null;
}

async function addMessage(
  deps: TasksDeps,
  caller: Caller,
  taskId: string,
  instruction: string,
): Promise<Message> {
  await accessTask(deps, caller, taskId, 'runs.control');
  const { answer, repeated } = await withIdempotency(deps.database, caller.idempotency, {
    status: 201,
    prepare: async () => {},
    async work(trx) {
      const message = { taskId, instruction, forRunning: true };
      const row = await insertMessage(deps, trx, caller, message);
      // The answer is kept in the clear, so what is private stays out of it.
      return presentMessage(row, null);
    },
  });
  if (!repeated) await ringRunning(deps, taskId);
  return { ...answer, instruction };
}

/** Makes the workers of a task's runs look for orders. */
async function ringRunning(deps: TasksDeps, taskId: string): Promise<void> {
  const rows = await tables(deps.database.db)
    .selectFrom('runs')
    .select('id')
    .where('task_id', '=', taskId)
    .where('status', '=', 'running')
    .execute();
  for (const { id } of rows) deps.log.ring(id);
}

export function isChosenColumn(column: string): column is ChosenColumn {
  return (CHOSEN_COLUMNS as readonly string[]).includes(column);
}
