import type { Budget, NewBudget } from '@holdfast/protocol';
import { sql } from 'kysely';
import { type Audit, notFound, type Principal } from '../../auth/index.ts';
import { newId } from '../../kernel/index.ts';
import type { Database, Executor } from '../../platform/database/index.ts';
import { type BudgetRow, tables } from '../tables.ts';
import { spentOf } from './reservations.ts';

/** The limits of a project: one for each scope and, of scope `owner`, one for each owner. */
export interface Budgets {
  list(by: Principal): Promise<Budget[]>;
  /** Sets the limit of that scope, whether or not there was one. Its notices begin anew. */
  put(by: Principal, request: NewBudget, requestId: string): Promise<Budget>;
  /** Throws `not_found` for an unknown id, and for another project's. */
  remove(by: Principal, id: string, requestId: string): Promise<void>;
}

export interface BudgetsDeps {
  readonly database: Database;
  readonly audit: Pick<Audit, 'record'>;
}

export function createBudgets({ database, audit }: BudgetsDeps): Budgets {
  return {
    async list(by) {
      const rows = await tables(database.db)
        .selectFrom('budgets')
        .selectAll()
        .where('project_id', '=', by.projectId)
        .orderBy('id')
        .execute();
      return Promise.all(rows.map(row => present(database.db, row)));
    },

    async put(by, request, requestId) {
      const row = await database.transaction(async trx => {
        const { scope, limit_usd } = request;
        const owner = request.owner ?? null;
        const { rows } = await sql<BudgetRow>`
          insert into budgets (id, project_id, scope, owner, limit_usd, created_by)
          values (${newId('bdg')}, ${by.projectId}, ${scope}, ${owner}, ${limit_usd}, ${by.id})
          on conflict (project_id, scope, (coalesce(owner, '')))
          do update set limit_usd = excluded.limit_usd
          returning *
        `.execute(trx);
        const written = rows[0]!;
        await tables(trx)
          .deleteFrom('budget_notices')
          .where('budget_id', '=', written.id)
          .execute();
        await audit.record(
          { ...act(by, requestId), action: 'budgets.set', target: written.id },
          trx,
        );
        return written;
      });
      return present(database.db, row);
    },

    async remove(by, id, requestId) {
      await database.transaction(async trx => {
        const removed = await tables(trx)
          .deleteFrom('budgets')
          .where('id', '=', id)
          .where('project_id', '=', by.projectId)
          .returning('id')
          .executeTakeFirst();
        if (removed === undefined) throw notFound();
        await audit.record({ ...act(by, requestId), action: 'budgets.remove', target: id }, trx);
      });
    },
  };
}

/** A limit for every run or every owner has no single sum to show. */
async function present(executor: Executor, row: BudgetRow): Promise<Budget> {
  const { id, scope, owner, limit_usd, created_by } = row;
  const isOne = scope === 'project_month' || (scope === 'owner' && owner !== null);
  const caller = { owner: owner ?? '', runId: null };
  return {
    id,
    scope,
    owner,
    limit_usd,
    spent_usd: isOne ? await spentOf(executor, row, caller, 'reserved') : null,
    created_by,
    created_at: row.created_at.toISOString(),
  };
}

function act(by: Principal, requestId: string) {
  return { principal: by.id, projectId: by.projectId, outcome: 'allowed' as const, requestId };
}
