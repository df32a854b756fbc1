import {
  BUDGET_LIMIT_MAX_USD,
  BUDGET_SCOPES,
  type Budget,
  HOSTED_TOOLS,
  PROVIDER_NAMES,
} from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { budgetOf, inOrder, LIMIT_MAX_USD, replacedBy, SCOPES, spendingOf } from './budgets.ts';
import { HOSTED_TOOL_NAMES } from './hosted-tool-names.ts';
import { isKey, PROVIDERS } from './providers.ts';

const budget = (change: Partial<Budget>) =>
  ({
    id: 'bdg_1',
    scope: 'project_month',
    owner: null,
    limit_usd: 10,
    spent_usd: 0,
    ...change,
  }) as Budget;

describe('what is written out for the pages', () => {
  it("is the protocol's", () => {
    expect(SCOPES.toSorted()).toEqual([...BUDGET_SCOPES].sort());
    expect(PROVIDERS.toSorted()).toEqual([...PROVIDER_NAMES].sort());
    expect(HOSTED_TOOL_NAMES.toSorted()).toEqual(Object.keys(HOSTED_TOOLS).sort());
    expect(LIMIT_MAX_USD).toBe(BUDGET_LIMIT_MAX_USD);
  });
});

describe('spending', () => {
  it.each([
    [0, 0, 0],
    [7.99, 79, 0],
    [8, 80, 80],
    [8.999, 89, 80],
    [9, 90, 90],
    [9.999, 99, 90],
    [10, 100, 100],
    [12.5, 125, 100],
  ])('of %d of 10 is %d %%, so %d was reported', (spent_usd, percent, reached) => {
    expect(spendingOf(budget({ spent_usd }))).toEqual({ usd: spent_usd, percent, reached });
  });

  it('is 100 % of a limit of zero, and unknown where there is no single sum', () => {
    expect(spendingOf(budget({ limit_usd: 0 }))?.reached).toBe(100);
    expect(spendingOf(budget({ spent_usd: null }))).toBeNull();
  });
});

describe('budgets', () => {
  it('are ordered from the widest to the narrowest', () => {
    const run = budget({ scope: 'run' });
    const each = budget({ scope: 'owner' });
    const [tanaka, abe] = ['user:tanaka', 'user:abe'].map(owner =>
      budget({ scope: 'owner', owner }),
    );
    const month = budget({});
    expect(inOrder([run, tanaka!, each, abe!, month])).toEqual([month, each, abe, tanaka, run]);
  });

  it('are sent as they were entered, with an owner only where the scope has one', () => {
    const draft = { scope: 'owner', owner: ' user:abe ', limit: '2.50' } as const;
    expect(budgetOf(draft)).toEqual({ scope: 'owner', owner: 'user:abe', limit_usd: 2.5 });
    expect(budgetOf({ ...draft, owner: ' ' })).toEqual({ scope: 'owner', limit_usd: 2.5 });
    expect(budgetOf({ ...draft, scope: 'run' })).toEqual({ scope: 'run', limit_usd: 2.5 });
    for (const limit of ['', ' ', '-1', 'x', '1000001', 'Infinity']) {
      expect(budgetOf({ ...draft, limit })).toBeNull();
    }
    expect(budgetOf({ ...draft, limit: '0' })?.limit_usd).toBe(0);
  });

  it('replace the one of the same scope and owner', () => {
    const each = budget({ scope: 'owner' });
    const abe = budget({ scope: 'owner', owner: 'user:abe' });
    const draft = { scope: 'owner', owner: 'user:abe', limit: '1' } as const;
    expect(replacedBy(draft, [each, abe])).toBe(abe);
    expect(replacedBy({ ...draft, owner: '' }, [abe, each])).toBe(each);
    expect(replacedBy({ ...draft, scope: 'run' }, [abe, each])).toBeUndefined();
  });
});

describe('provider keys', () => {
  it('are printable, without spaces, of 16 to 500 characters', () => {
    for (const key of ['k'.repeat(16), `sk-${'x'.repeat(497)}`]) expect(isKey(key)).toBe(true);
    for (const key of [
      '',
      'k'.repeat(15),
      'k'.repeat(501),
      `${'k'.repeat(16)} k`,
      'キー'.repeat(9),
    ]) {
      expect(isKey(key)).toBe(false);
    }
  });
});
