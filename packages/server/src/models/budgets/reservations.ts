import { type RawBuilder, sql } from 'kysely';
import { HoldfastError, newId } from '../../kernel/index.ts';
import type { Database, Executor, Trx } from '../../platform/database/index.ts';
import type { ModelCaller } from '../gateway/run-tokens.ts';
import { type BudgetRow, tables } from '../tables.ts';

/**
 * Money of calls, and of the responses of voice sessions: reserved before it can be spent, settled
 * at what was spent. A call reserves its worst case; a voice session its next response.
 *
 * The budgets that apply are locked by their rows, in the order of their ids, for the one
 * transaction that sums and inserts; so two calls cannot both take the last dollar, and two that
 * need several budgets cannot wait for each other. A reservation that was never settled (a crash)
 * counts in full. Months are UTC, by the database's clock.
 */
export interface Reservation {
  readonly id: string;
  readonly reservedUsd: number;
  /** Some budget applies. */
  readonly isLimited: boolean;
}

export interface ReserveRequest {
  readonly caller: ModelCaller;
  readonly model: string;
  /** The worst case; null for a model without a price, and with a hosted tool. */
  readonly usd: number | null;
  /** What the provider does itself in this call. */
  readonly hosted?: string;
  /** Of the next response of this voice session. */
  readonly sessionId?: string;
}

/** Tolerance for sums of floating-point money. */
const EPSILON_USD = 1e-9;
const MONTH = sql<Date>`date_trunc('month', now() at time zone 'utc') at time zone 'utc'`;

/** Why a call was refused; its budget goes to the run's watchers. */
export class OverBudget extends HoldfastError {
  readonly budget: BudgetRow;
  readonly spentUsd: number;

  constructor(budget: BudgetRow, spentUsd: number, request: ReserveRequest) {
    const what = request.sessionId === undefined ? 'This call' : 'The next response';
    const text =
      `${what} could cost ${dollars(request.usd ?? 0)}; ${dollars(spentUsd)} of the ` +
      `${dollars(budget.limit_usd)} of the budget ${nameOf(budget)} are used or reserved. ` +
      'Trying again will not help.';
    super('budget_exceeded', text);
    this.budget = budget;
    this.spentUsd = spentUsd;
  }
}

/** Throws `OverBudget`; `invalid_request` for a call without a price where a budget applies. */
export async function reserve(database: Database, request: ReserveRequest): Promise<Reservation> {
  return database.transaction(trx => reserveIn(trx, request));
}

/** The same within a transaction, which holds the budgets that apply until it ends. */
export async function reserveIn(trx: Trx, request: ReserveRequest): Promise<Reservation> {
  const { caller, usd } = request;
  const budgets = await lockBudgets(trx, caller);
  for (const budget of budgets) {
    if (usd === null) throw unpriced(request, budget);
    const spentUsd = await spentOf(trx, budget, caller, 'reserved');
    if (spentUsd + usd > budget.limit_usd + EPSILON_USD) {
      throw new OverBudget(budget, spentUsd, request);
    }
  }
  const reserved = await insertReservation(trx, request);
  return { ...reserved, isLimited: budgets.length > 0 };
}

/** Reserves without asking any budget. */
export async function insertReservation(
  trx: Trx,
  { caller, model, usd, sessionId }: ReserveRequest,
): Promise<Omit<Reservation, 'isLimited'>> {
  const id = newId('rsv');
  const reservedUsd = usd ?? 0;
  await tables(trx)
    .insertInto('reservations')
    .values({
      id,
      run_id: caller.runId,
      session_id: sessionId ?? null,
      project_id: caller.projectId,
      owner: caller.owner,
      model,
      reserved_usd: reservedUsd,
    })
    .execute();
  return { id, reservedUsd };
}

export interface Charge {
  readonly usd: number;
  /** Something was used whose amount nobody reported: the charge is no less than was reserved. */
  readonly atLeastReserved?: boolean;
}

export interface Settled {
  readonly usd: number;
  readonly reservedUsd: number;
}

/** Once only: a second settlement changes nothing, and answers undefined. */
export async function settle(
  executor: Executor,
  id: string,
  charge: Charge,
): Promise<Settled | undefined> {
  const [row] = await settleWhere(executor, sql`id = ${id}`, charge);
  return row;
}

/** The newest has the charge; a takeover after a crash may have left others. */
export async function settleWhere(
  executor: Executor,
  which: RawBuilder<unknown>,
  { usd, atLeastReserved = false, id = null }: Charge & { readonly id?: string | null },
): Promise<Settled[]> {
  const least = atLeastReserved ? sql`reserved_usd` : sql`0`;
  const newest = sql`id = (
    select max(id) from reservations where ${which} and settled_at is null)`;
  const { rows } = await sql<{ usd: number; reserved_usd: number }>`
    update reservations set settled_at = now(),
      settled_usd = greatest(${least}, case when ${newest} then ${usd}::float8 else 0 end),
      charge_id = case when ${newest} then ${id}::text end
    where ${which} and settled_at is null
    returning settled_usd as usd, reserved_usd`.execute(executor);
  return rows.map(row => ({ usd: row.usd, reservedUsd: row.reserved_usd }));
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

/** Until the transaction ends, so that nothing else is reserved on them meanwhile. */
export async function lockBudgets(trx: Trx, caller: ModelCaller): Promise<BudgetRow[]> {
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
