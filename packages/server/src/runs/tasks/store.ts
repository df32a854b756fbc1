import type { repoPatch } from '@holdfast/protocol';
import { sql } from 'kysely';
import type { z } from 'zod';
import { newId } from '../../kernel/index.ts';
import type { Executor, Trx } from '../../platform/database/index.ts';
import { type MessageRow, type RepositoryRow, type TaskRow, tables } from '../tables.ts';

/** The writes of repositories, tasks and their messages. */

type NewRepositoryRow = Omit<RepositoryRow, 'allow_ci_changes' | 'created_at' | 'archived_at'>;

export async function insertRepository(
  executor: Executor,
  row: NewRepositoryRow,
): Promise<RepositoryRow> {
  return await tables(executor)
    .insertInto('repositories')
    .values(row)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function updateRepository(
  executor: Executor,
  id: string,
  patch: z.infer<typeof repoPatch>,
): Promise<RepositoryRow> {
  return await tables(executor)
    .updateTable('repositories')
    .set(patch)
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function archiveRepository(executor: Executor, id: string): Promise<void> {
  await tables(executor)
    .updateTable('repositories')
    .set({ archived_at: sql<Date>`coalesce(archived_at, now())` })
    .where('id', '=', id)
    .execute();
}

/** Whether any repository was ever added. */
export async function hasRepositories(executor: Executor): Promise<boolean> {
  const { rows } = await sql`select 1 from repositories limit 1`.execute(executor);
  return rows.length > 0;
}

export async function insertTask(
  trx: Trx,
  row: Pick<TaskRow, 'id' | 'project_id' | 'repository_id' | 'created_by' | 'title'>,
): Promise<void> {
  await tables(trx).insertInto('tasks').values(row).execute();
}

export async function updateTask(
  executor: Executor,
  id: string,
  values: Partial<Pick<TaskRow, 'title' | 'column_override'>>,
): Promise<void> {
  await tables(executor)
    .updateTable('tasks')
    .set({ ...values, updated_at: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

/** Marks a task as changed, which locks its row: a run that ends waits for it. */
export async function touchTask(trx: Trx, id: string): Promise<Pick<TaskRow, 'project_id'>> {
  return await tables(trx)
    .updateTable('tasks')
    .set({ updated_at: sql<Date>`now()` })
    .where('id', '=', id)
    .returning('project_id')
    .executeTakeFirstOrThrow();
}

export async function insertMessage(
  trx: Trx,
  row: Omit<MessageRow, 'id' | 'created_at'>,
): Promise<MessageRow> {
  return await tables(trx)
    .insertInto('messages')
    .values({ id: newId('msg'), ...row })
    .returningAll()
    .executeTakeFirstOrThrow();
}
