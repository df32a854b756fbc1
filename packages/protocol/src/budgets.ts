import { z } from 'zod';
import { timestamp } from './common.ts';

/** Budgets and provider keys of a project over HTTP. Money is US dollars; months are UTC. */
export const BUDGET_SCOPES = ['run', 'owner', 'project_month'] as const;
export const BUDGET_LIMIT_MAX_USD = 1_000_000;

export const newBudget = z
  .strictObject({
    scope: z.enum(BUDGET_SCOPES).describe('Of every run; of an owner and month; of the month.'),
    owner: z
      .string()
      .min(1)
      .max(300)
      .optional()
      .describe('Scope `owner` only: whose; left out: of each owner without one of their own.'),
    limit_usd: z.number().min(0).max(BUDGET_LIMIT_MAX_USD),
  })
  .refine(value => value.owner === undefined || value.scope === 'owner', {
    path: ['owner'],
    message: 'is for the scope owner only',
  });
export type NewBudget = z.infer<typeof newBudget>;

export const budget = z.object({
  id: z.string(),
  scope: z.enum(BUDGET_SCOPES),
  owner: z.string().nullable(),
  limit_usd: z.number(),
  spent_usd: z
    .number()
    .nullable()
    .describe('So far, with what calls under way reserve; null where it differs by run or owner.'),
  created_by: z.string(),
  created_at: timestamp,
});
export type Budget = z.infer<typeof budget>;
export const budgetList = z.object({ data: z.array(budget) });

export const PROVIDER_NAMES = ['azure', 'openai', 'compatible', 'anthropic', 'gemini'] as const;

export const newProviderKey = z.strictObject({
  provider: z.enum(PROVIDER_NAMES),
  name: z.string().trim().min(1).max(100),
  key: z
    .string()
    .regex(/^[\x21-\x7e]{16,500}$/, 'printable characters without spaces, 16 to 500')
    .describe('Never shown again.'),
});
export type NewProviderKey = z.infer<typeof newProviderKey>;

export const providerKey = z.object({
  id: z.string(),
  provider: z.enum(PROVIDER_NAMES),
  name: z.string(),
  hint: z.string().describe('The last four characters.'),
  created_by: z.string(),
  created_at: timestamp,
});
export type ProviderKey = z.infer<typeof providerKey>;
export const providerKeyList = z.object({ data: z.array(providerKey) });
