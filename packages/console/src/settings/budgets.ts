import type { Budget, NewBudget } from '@holdfast/protocol';

/**
 * What a budget limits. Listed here because importing the schemas would add the whole validator to
 * the page; a test compares the lists.
 */
export const SCOPES = [
  'project_month',
  'owner',
  'run',
] as const satisfies readonly Budget['scope'][];

/** The shares of a budget that the server reports when they are reached. */
const SHARES_REPORTED = [80, 90, 100] as const;

export interface Spending {
  readonly usd: number;
  /** Of the limit, in whole percent and never rounded up to a share that is not reached. */
  readonly percent: number;
  /** The highest reported share that is reached; 0 below the first. */
  readonly reached: 0 | (typeof SHARES_REPORTED)[number];
}

/** How much of a budget is used; null where each run or owner has a sum of its own. */
export function spendingOf({ spent_usd: usd, limit_usd: limit }: Budget): Spending | null {
  if (usd === null) return null;
  // A limit of zero refuses every call, so it is used up from the start.
  const percent = limit > 0 ? Math.floor((usd / limit) * 100) : 100;
  return { usd, percent, reached: SHARES_REPORTED.findLast(share => percent >= share) ?? 0 };
}

/** Ordered from the widest scope to the narrowest. */
export function inOrder(budgets: readonly Budget[]): Budget[] {
  const rank = ({ scope, owner }: Budget) => SCOPES.indexOf(scope) * 2 + (owner === null ? 0 : 1);
  return budgets.toSorted(
    (a, b) => rank(a) - rank(b) || (a.owner ?? '').localeCompare(b.owner ?? ''),
  );
}

export interface BudgetDraft {
  readonly scope: Budget['scope'];
  /** Of scope `owner`: whose; empty: of each owner without a budget of their own. */
  readonly owner: string;
  readonly limit: string;
}

export const LIMIT_MAX_USD = 1_000_000;

/** The request for the server; null while the limit is not an amount that it accepts. */
export function budgetOf({ scope, owner, limit }: BudgetDraft): NewBudget | null {
  const limit_usd = limit.trim() === '' ? Number.NaN : Number(limit);
  if (!(limit_usd >= 0 && limit_usd <= LIMIT_MAX_USD)) return null;
  const whose = owner.trim();
  return scope === 'owner' && whose !== ''
    ? { scope, owner: whose, limit_usd }
    : { scope, limit_usd };
}

/** The budget that a draft would take the place of. */
export function replacedBy(draft: BudgetDraft, budgets: readonly Budget[]): Budget | undefined {
  const owner = draft.scope === 'owner' ? draft.owner.trim() || null : null;
  return budgets.find(budget => budget.scope === draft.scope && budget.owner === owner);
}
