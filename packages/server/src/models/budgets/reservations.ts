import { type RawBuilder, sql } from 'kysely';
import { HoldfastError, newId } from '../../kernel/index.ts';
import type { Database, Executor, Trx } from '../../platform/database/index.ts';
import type { ModelCaller } from '../gateway/run-tokens.ts';
import { type BudgetRow, tables } from '../tables.ts';

/**
 * Money of calls: reserved at the worst case before a call is sent, settled at what it cost after.
 *
 * The budgets that apply are locked by their rows, in the order of their ids, for the one
 * transaction that sums and inserts; so two calls cannot both take the last dollar, and two that
 * need several budgets cannot wait for each other. A reservation that was never settled (a crash)
 * counts in full. Months are UTC, by the database's clock.
 */
export interface Reservation {
  readonly id: string;
  readonly reservedUsd: number;
}

export interface ReserveRequest {
  readonly caller: ModelCaller;
  readonly model: string;
  /** The worst case; null for a model without a price, and with a hosted tool. */
  readonly usd: number | null;
  /** What the provider does itself in this call. */
  readonly hosted?: string;
}

/** Tolerance for sums of floating-point money. */
const EPSILON_USD = 1e-9;
const MONTH = sql<Date>`date_trunc('month', now() at time zone 'utc') at time zone 'utc'`;

/** Why a call was refused; its budget goes to the run's watchers. */
export class OverBudget extends HoldfastError {
  readonly budget: BudgetRow;
  readonly spentUsd: number;

  constructor(budget: BudgetRow, spentUsd: number, needUsd: number) {
    const text =
      `This call could cost ${dollars(needUsd)}; ${dollars(spentUsd)} of the ` +
      `${dollars(budget.limit_usd)} of the budget ${nameOf(budget)} are used or reserved. ` +
      'Trying again will not help.';
    super('budget_exceeded', text);
    this.budget = budget;
    this.spentUsd = spentUsd;
  }
}

/** Throws `OverBudget`; `invalid_request` for a call without a price where a budget applies. */
export async function reserve(database: Database, request: ReserveRequest): Promise<Reservation> {
  return database.transaction(async trx => {
    const { caller, model, usd } = request;
    for (const budget of await lockBudgets(trx, caller)) {
      if (usd === null) throw unpriced(request, budget);
      const spentUsd = await spentOf(trx, budget, caller, 'reserved');
      if (spentUsd + usd > budget.limit_usd + EPSILON_USD) {
        throw new OverBudget(budget, spentUsd, usd);
      }
    }
    const id = newId('rsv');
    const reservedUsd = usd ?? 0;
    await tables(trx)
      .insertInto('reservations')
      .values({
        id,
        run_id: caller.runId,
        project_id: caller.projectId,
        owner: caller.owner,
        model,
        reserved_usd: reservedUsd,
      })
      .execute();
    return { id, reservedUsd };
  });
}

/** Once only: a second settlement changes nothing. */
export async function settle(executor: Executor, id: string, usd: number): Promise<void> {
  await tables(executor)
    .updateTable('reservations')
    .set({ settled_usd: usd, settled_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('settled_at', 'is', null)
    .execute();
}

/** The total of one run's calls. */
export interface RunBill {
  /** Calls that were not settled and now are. */
  readonly lostCalls: number;
  readonly calls: number;
  /** Null where nothing was ever reserved: no model had a price. */
  readonly usd: number | null;
}

/**
 * Settles the unsettled calls of a run at their full reservations, because the worker that made
 * them is gone; answers the total of all calls. A late settlement by a gateway changes nothing.
 */
export async function settleLost(trx: Trx, runId: string): Promise<RunBill> {
  const lost = await sql`
    update reservations set settled_usd = reserved_usd, settled_at = now()
    where run_id = ${runId} and settled_at is null`.execute(trx);
  const { rows } = await sql<{ calls: number; usd: number | null }>`
    select count(*)::integer as calls,
      sum(${COUNTED}) filter (where reserved_usd > 0) as usd
    from reservations where run_id = ${runId}`.execute(trx);
  const { calls = 0, usd = null } = rows[0] ?? {};
  return { lostCalls: Number(lost.numAffectedRows ?? 0), calls, usd };
}

/**
 * SQL: whether a call of that run was settled at its full reservation, because its answer reported
 * no usage or its worker died before the end. The run's cost is then an upper bound.
 */
export function hasBoundedCall(runId: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql<boolean>`exists (
    select from reservations
    where run_id = ${runId} and reserved_usd > 0 and settled_usd = reserved_usd
  )`;
}

async function lockBudgets(trx: Trx, caller: ModelCaller): Promise<BudgetRow[]> {
  const rows = await budgetQuery(trx, caller).forUpdate().execute();
  return applying(rows, caller);
}

export async function budgetsOf(executor: Executor, caller: ModelCaller): Promise<BudgetRow[]> {
  return applying(await budgetQuery(executor, caller).execute(), caller);
}

function budgetQuery(executor: Executor, { projectId, owner }: ModelCaller) {
  return tables(executor)
    .selectFrom('budgets')
    .selectAll()
    .where('project_id', '=', projectId)
    .where(row => row.or([row('owner', 'is', null), row('owner', '=', owner)]))
    .orderBy('id');
}

/** An owner's own budget replaces the one for every owner. */
function applying(rows: readonly BudgetRow[], caller: ModelCaller): BudgetRow[] {
  const own = rows.some(row => row.scope === 'owner' && row.owner !== null);
  return rows.filter(row => {
    if (row.scope === 'run') return caller.runId !== null;
    return row.scope !== 'owner' || !own || row.owner !== null;
  });
}

/** What counts against a budget: settled money alone, or with what is reserved. */
export async function spentOf(
  executor: Executor,
  budget: BudgetRow,
  caller: Pick<ModelCaller, 'owner' | 'runId'>,
  counting: 'settled' | 'reserved',
): Promise<number> {
  const { rows } = await sql<{ usd: number }>`
    select coalesce(sum(${counting === 'settled' ? SETTLED : COUNTED}), 0)::float8 as usd
    from reservations
    where ${within(budget, caller)}
  `.execute(executor);
  return rows[0]?.usd ?? 0;
}

const SETTLED = sql`settled_usd`;
const COUNTED = sql`coalesce(settled_usd, reserved_usd)`;

function within(
  budget: BudgetRow,
  caller: Pick<ModelCaller, 'owner' | 'runId'>,
): RawBuilder<unknown> {
  if (budget.scope === 'run') return sql`run_id = ${caller.runId}`;
  const month = sql`project_id = ${budget.project_id} and created_at >= ${MONTH}`;
  return budget.scope === 'owner' ? sql`${month} and owner = ${caller.owner}` : month;
}

function unpriced({ model, hosted }: ReserveRequest, budget: BudgetRow): HoldfastError {
  const what =
    hosted === undefined
      ? `The model ${model} has no price in US dollars`
      : `What the provider's ${hosted} costs is not known`;
  const remedy =
    hosted === undefined ? 'Add a price to the model catalogue' : `Do without ${hosted}`;
  const text =
    `${what}, so the budget ${nameOf(budget)} could not be kept. ` +
    `${remedy}, or remove the budget.`;
  return new HoldfastError('invalid_request', text, hosted === undefined ? { field: 'model' } : {});
}

function nameOf(budget: BudgetRow): string {
  const texts = {
    run: 'of every run',
    owner: 'of the owner for this month',
    project_month: 'of the project for this month',
  };
  return `${budget.id} (${texts[budget.scope]})`;
}

function dollars(usd: number): string {
  return `$${usd.toFixed(usd < 1 ? 4 : 2)}`;
}
