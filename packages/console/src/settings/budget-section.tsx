import type { Budget, Me } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { budgetsQuery } from '../app/run-queries.ts';
import { client } from '../app/services.ts';
import { useFormats } from '../i18n/format.ts';
import { Confirm } from '../ui/confirm.tsx';
import { Icon } from '../ui/icons.tsx';
import { Empty, Section } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import typography from '../ui/typography.module.css';
import { useNotify } from '../ui/use-notify.tsx';
import { AdminHint } from './admin-hint.tsx';
import { BudgetDialog } from './budget-dialog.tsx';
import { BudgetTable } from './budget-table.tsx';
import { inOrder } from './budgets.ts';
import styles from './settings.module.css';
import { useScopeName } from './use-scope-name.ts';

const RENEW_MS = 10_000;

/** What the project may spend on models, and what it has spent. All users read, Admins set. */
export function Budgets({ me }: { me: Me | undefined }) {
  const { t } = useTranslation('settings');
  const admin = me?.role === 'Admin';
  const budgets = useQuery({ ...budgetsQuery, staleTime: 0, refetchInterval: RENEW_MS });
  const known = inOrder(budgets.data?.data ?? []);
  const [asked, setAsked] = useState<Budget | 'new' | null>(null);
  const [doomed, setDoomed] = useState<Budget | null>(null);
  return (
    <Section
      title={t('budgets.title')}
      id="budgets"
      actions={
        admin && (
          <Button
            size="xs"
            leftSection={<Icon name="plus" size={16} />}
            onClick={() => setAsked('new')}
          >
            {t('budgets.set')}
          </Button>
        )
      }
    >
      {me && <AdminHint me={me} of="budgets" />}
      {budgets.error && <Problem error={budgets.error} onRetry={() => void budgets.refetch()} />}
      {budgets.isPending && <Placeholder size="row" />}
      {budgets.data && known.length === 0 && (
        <Empty title={t('budgets.none')}>{t('budgets.what')}</Empty>
      )}
      {known.length > 0 && (
        <>
          <BudgetTable budgets={known} admin={admin} onChange={setAsked} onRemove={setDoomed} />
          <p className={`${typography.soft} ${styles.note}`}>{t('budgets.counted')}</p>
        </>
      )}
      <BudgetDialog asked={asked} known={known} onClose={() => setAsked(null)} />
      <RemoveBudget budget={doomed} onClose={() => setDoomed(null)} />
    </Section>
  );
}

function RemoveBudget({ budget, onClose }: { budget: Budget | null; onClose: () => void }) {
  const { t } = useTranslation('settings');
  const formats = useFormats();
  const nameOf = useScopeName();
  const queries = useQueryClient();
  const notify = useNotify();
  const remove = async () => {
    if (budget) await client.budgets.remove(budget.id);
    notify.done(t('budgets.removed'));
    await queries.invalidateQueries({ queryKey: ['budgets'] });
    await queries.invalidateQueries({ queryKey: ['audit'] });
  };
  return (
    <Confirm
      opened={budget !== null}
      title={t('budgets.confirmTitle')}
      text={
        budget === null
          ? ''
          : t('budgets.confirmText', { of: nameOf(budget), limit: formats.usd(budget.limit_usd) })
      }
      confirm={t('budgets.remove')}
      onConfirm={remove}
      onClose={onClose}
    />
  );
}
