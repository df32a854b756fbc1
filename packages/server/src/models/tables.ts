import type { Generated, Selectable } from 'kysely';
import type { Executor } from '../platform/database/index.ts';

type BudgetScope = 'run' | 'owner' | 'project_month';

type BudgetTable = {
  id: string;
  project_id: string;
  scope: BudgetScope;
  owner: string | null;
  limit_usd: number;
  created_by: string;
  created_at: Generated<Date>;
};

export type BudgetRow = Selectable<BudgetTable>;

type Tables = {
  run_tokens: {
    token_hash: string;
    run_id: string;
    project_id: string;
    owner: string;
    created_at: Generated<Date>;
    expires_at: Date;
  };
  reservations: {
    id: string;
    run_id: string | null;
    session_id: string | null;
    project_id: string;
    owner: string;
    model: string;
    reserved_usd: number;
    settled_usd: number | null;
    created_at: Generated<Date>;
    settled_at: Date | null;
    charge_id: string | null;
  };
  budgets: BudgetTable;
  budget_notices: { budget_id: string; about: string; percent: number };
  hosted_tools: { project_id: string; allowed: string[]; set_by: string; set_at: Generated<Date> };
  provider_keys: {
    id: string;
    project_id: string;
    provider: string;
    name: string;
    hint: string;
    secret_key_id: string;
    secret_data: Uint8Array;
    created_by: string;
    created_at: Generated<Date>;
    revoked_at: Date | null;
  };
};

/** The executor with this feature's tables. */
export const tables = (executor: Executor) => executor.withTables<Tables>();
