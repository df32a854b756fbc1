import type { Message, NewTask, Task, TaskColumn } from '@holdfast/protocol';
import { authorize, notFound } from '../../auth/index.ts';
import { newId } from '../../kernel/index.ts';
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
import { addMessage, openInstruction } from './messages.ts';
import { archivedRepository } from './repos.ts';
import * as store from './store.ts';
import type { ChosenColumn } from './task.ts';

export interface TaskPatch {
  readonly title?: string | undefined;
  /** Null: as its runs stand. */
  readonly column?: ChosenColumn | null | undefined;
}

interface TaskListQuery {
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly repo_id?: string | undefined;
  readonly column?: TaskColumn | undefined;
}

interface TasksDeps extends AccessDeps {
  readonly log: Log;
  readonly sealer: Sealer;
}

/** Pages read for one page of one column. */
const FILTER_PAGES_MAX = 10;
const FILTER_PAGE = 200;

/** The verbs on tasks and their messages. A task is its creator's; others in the project read. */
export class Tasks {
  readonly #deps: TasksDeps;

  constructor(deps: TasksDeps) {
    this.#deps = deps;
  }

  async create(caller: Caller, task: NewTask): Promise<Task> {
    const { database } = this.#deps;
    const { principal } = caller;
    authorize('runs.write', principal);
    const { answer } = await withIdempotency(database, caller.idempotency, {
      status: 201,
      prepare: async () => {
        const repo = await queries.findRepository(database.db, task.repo_id);
        if (repo?.project_id !== principal.projectId) throw notFound();
        if (repo.archived_at !== null) throw archivedRepository();
      },
      work: async trx => {
        const id = newId('tsk');
        await store.insertTask(trx, {
          id,
          project_id: principal.projectId,
          repository_id: task.repo_id,
          created_by: principal.id,
          title: task.title,
        });
        const { instruction } = task;
        await addMessage(this.#deps, trx, caller, { taskId: id, instruction, forRunning: false });
        return presentTask((await queries.findTask(trx, id))!);
      },
    });
    return answer;
  }

  /** A column is derived, so one column's page is picked from pages of all. */
  async list(caller: Caller, query: TaskListQuery): Promise<Page<Task>> {
    const { column, limit } = query;
    const found: Task[] = [];
    let before = cursorId('tsk', query.cursor);
    for (let pages = 0; pages < FILTER_PAGES_MAX; pages += 1) {
      const size = column === undefined ? limit + 1 : FILTER_PAGE;
      const rows = await queries.listTasks(this.#deps.database.db, {
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

  async get(caller: Caller, id: string): Promise<Task> {
    return presentTask(await accessTask(this.#deps, caller, id, 'runs.read'));
  }

  async update(caller: Caller, id: string, patch: TaskPatch): Promise<Task> {
    const { db } = this.#deps.database;
    await accessTask(this.#deps, caller, id, 'runs.control');
    await store.updateTask(db, id, {
      ...(patch.title !== undefined && { title: patch.title }),
      ...(patch.column !== undefined && { column_override: patch.column }),
    });
    return presentTask((await queries.findTask(db, id))!);
  }

  /** Oldest first; instructions for their authors and Admins only. */
  async messages(
    caller: Caller,
    id: string,
    query: { readonly cursor?: string | undefined; readonly limit: number },
  ): Promise<Page<Message>> {
    const { limit } = query;
    await accessTask(this.#deps, caller, id, 'runs.read');
    const rows = await queries.listMessages(this.#deps.database.db, {
      taskId: id,
      after: cursorNumber(query.cursor),
      limit: limit + 1,
    });
    const page = rows.slice(0, limit);
    const data = await Promise.all(
      page.map(async row => {
        const isVisible = seesPrivate(caller.principal, row.created_by);
        return presentMessage(row, isVisible ? await openInstruction(this.#deps, row) : null);
      }),
    );
    const isMore = rows.length > limit;
    return { data, next_cursor: isMore ? cursorOf(String(page.at(-1)!.number)) : null };
  }

  /** A follow-up: steered into the runs at work, or the instruction of the next one. */
  async addMessage(caller: Caller, id: string, instruction: string): Promise<Message> {
    const { database, log } = this.#deps;
    await accessTask(this.#deps, caller, id, 'runs.control');
    const { answer, repeated } = await withIdempotency(database, caller.idempotency, {
      status: 201,
      prepare: async () => {},
      work: async trx => {
        const message = { taskId: id, instruction, forRunning: true };
        const row = await addMessage(this.#deps, trx, caller, message);
        // The answer is stored in the clear, so private text stays out of it.
        return presentMessage(row, null);
      },
    });
    if (!repeated) {
      // The workers of the task's runs look for signals.
      for (const runId of await queries.runningOf(database.db, id)) log.ring(runId);
    }
    return { ...answer, instruction };
  }
}
