import { sql } from 'kysely';
import type { Executor } from '../../platform/database/index.ts';
import type { BudgetNotice } from '../gateway/gateway.ts';
import type { ModelCaller } from '../gateway/run-tokens.ts';
import { type BudgetRow, tables } from '../tables.ts';
import { budgetsOf, type OverBudget, spentOf } from './reservations.ts';

const NOTICE_PERCENTS = [80, 90, 100] as const;
type Percent = (typeof NOTICE_PERCENTS)[number];
type RunCaller = ModelCaller & { readonly runId: string };

/** Shares of budgets that this run's settled calls have reached for the first time. */
export async function newNotices(executor: Executor, caller: RunCaller): Promise<BudgetNotice[]> {
  const notices: BudgetNotice[] = [];
  for (const budget of await budgetsOf(executor, caller)) {
    const spentUsd = await spentOf(executor, budget, caller, 'settled');
    const reached = NOTICE_PERCENTS.filter(
      percent => budget.limit_usd > 0 && spentUsd * 100 >= budget.limit_usd * percent,
    );
    const about = await aboutOf(executor, budget, caller);
    for (const percent of await announce(executor, budget, { about, reached })) {
      notices.push(noticeOf(budget, caller, { percent, spentUsd }));
    }
  }
  return notices;
}

/**
 * A refused call ends its run's money, whatever was settled: each run is notified once, even if
 * another run used up the budget that they share.
 */
export async function refusalNotices(
  executor: Executor,
  caller: RunCaller,
  { budget, spentUsd }: OverBudget,
): Promise<BudgetNotice[]> {
  const fresh = await announce(executor, budget, { about: `run:${caller.runId}`, reached: [100] });
  return fresh.map(percent => noticeOf(budget, caller, { percent, spentUsd }));
}

async function announce(
  executor: Executor,
  budget: BudgetRow,
  { about, reached }: { about: string; reached: readonly Percent[] },
): Promise<Percent[]> {
  if (reached.length === 0) return [];
  const rows = await tables(executor)
    .insertInto('budget_notices')
    .values(reached.map(percent => ({ budget_id: budget.id, about, percent })))
    .onConflict(conflict => conflict.doNothing())
    .returning('percent')
    .execute();
  return rows.map(row => row.percent as Percent).toSorted((a, b) => a - b);
}

async function aboutOf(executor: Executor, budget: BudgetRow, caller: RunCaller): Promise<string> {
  if (budget.scope === 'run') return `run:${caller.runId}`;
  const { rows } = await sql<{ month: string }>`
    select to_char(now() at time zone 'utc', 'YYYY-MM') as month
  `.execute(executor);
  return budget.scope === 'owner' ? `${rows[0]!.month}:${caller.owner}` : rows[0]!.month;
}

function noticeOf(
  budget: BudgetRow,
  caller: RunCaller,
  { percent, spentUsd }: { percent: Percent; spentUsd: number },
): BudgetNotice {
  const { scope, limit_usd: limitUsd } = budget;
  return { runId: caller.runId, scope, percent, spentUsd, limitUsd };
}
