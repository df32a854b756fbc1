import type { Budget } from '@holdfast/protocol';
import type { CSSProperties } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { State } from '../ui/state.tsx';
import typography from '../ui/typography.module.css';
import { spendingOf } from './budgets.ts';
import styles from './settings.module.css';
import { useScopeName } from './use-scope-name.ts';

const LOOKS = {
  80: { tone: 'warn', mark: '◐' },
  90: { tone: 'warn', mark: '◕' },
  100: { tone: 'bad', mark: '▲' },
} as const;

/** Spending against the limit, with marks at the shares that the server reports. */
export function BudgetMeter({ budget }: { budget: Budget }) {
  const { t } = useTranslation('settings');
  const formats = useFormats();
  const nameOf = useScopeName();
  const spending = spendingOf(budget);
  if (spending === null) {
    const key = budget.scope === 'run' ? 'budgets.eachRun' : 'budgets.eachOwner';
    return <span className={typography.soft}>{t(key)}</span>;
  }
  const { usd, percent, reached } = spending;
  const shown = Math.min(percent, 100);
  return (
    <div className={styles.budget} data-reached={reached}>
      <span className={styles.budgetBar} style={{ '--hf-share': `${shown}%` } as CSSProperties}>
        <meter
          className={typography.visuallyHidden}
          aria-label={t('budgets.meter', { of: nameOf(budget) })}
          min={0}
          max={100}
          value={shown}
        />
      </span>
      <span className={styles.budgetWords}>
        <span className={typography.num}>
          {formats.usd(usd)} · {formats.percent(percent / 100)}
        </span>
        {reached !== 0 && <State {...LOOKS[reached]}>{t(`budgets.reached.${reached}`)}</State>}
      </span>
    </div>
  );
}
