import type { Run } from '@holdfast/protocol';
import { Tooltip } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { budgetsQuery } from '../app/run-queries.ts';
import { useFormats } from '../i18n/format.ts';
import typography from '../ui/typography.module.css';
import styles from './cost.module.css';

/** The share of the budget from which the meter warns. */
const HIGH = 0.8;

/** What a run has cost, against the budget of a run where there is one. */
export function RunCost({ run }: { run: Run }) {
  const { t } = useTranslation('tasks');
  const formats = useFormats();
  const budget = useQuery(budgetsQuery).data?.data.find(one => one.scope === 'run');
  if (run.cost_usd === null) return <span className={typography.soft}>{t('run.costUnknown')}</span>;
  if (!budget || budget.limit_usd <= 0) return <Cost of={{ ...run, cost_usd: run.cost_usd }} />;
  return (
    <span className={styles.cost}>
      <Cost of={{ ...run, cost_usd: run.cost_usd }} limit={formats.usd(budget.limit_usd)} />
      <meter
        aria-label={t('run.budgetLabel')}
        min={0}
        max={budget.limit_usd}
        high={budget.limit_usd * HIGH}
        value={run.cost_usd}
      />
    </span>
  );
}

/** An amount, with words that state whether it is exact or an upper bound. */
export function Cost(props: {
  of: { cost_usd: number; cost_is_upper_bound: boolean };
  limit?: string;
}) {
  const { t } = useTranslation('tasks');
  const formats = useFormats();
  const { cost_usd, cost_is_upper_bound: isUpperBound } = props.of;
  const amount = formats.usd(cost_usd);
  const spent = isUpperBound ? t('cost.atMost', { amount }) : amount;
  const words = props.limit === undefined ? spent : t('run.budget', { spent, limit: props.limit });
  if (!isUpperBound) return words;
  return (
    <Tooltip label={t('cost.atMostWhy')} multiline maw="20rem">
      <span data-at-most>{words}</span>
    </Tooltip>
  );
}
