import type { Budget } from '@holdfast/protocol';
import type { CSSProperties } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { type Spending, spendingOf } from './budgets.ts';
import { useScopeName } from './use-scope-name.ts';

/** What is spent against the limit; the marks stand where the server tells about it. */
export function BudgetMeter({ budget }: { budget: Budget }) {
  const { t } = useTranslation('settings');
  const formats = useFormats();
  const nameOf = useScopeName();
  const spending = spendingOf(budget);
  if (spending === null) {
    const key = budget.scope === 'run' ? 'budgets.eachRun' : 'budgets.eachOwner';
    return <span className="hf-soft">{t(key)}</span>;
  }
  const { usd, percent, reached } = spending;
  const shown = Math.min(percent, 100);
  return (
    <div className="hf-budget" data-reached={reached}>
      <span className="hf-budget-bar" style={{ '--hf-share': `${shown}%` } as CSSProperties}>
        <meter
          className="hf-visually-hidden"
          aria-label={t('budgets.meter', { of: nameOf(budget) })}
          min={0}
          max={100}
          value={shown}
        />
      </span>
      <span className="hf-budget-words">
        <span className="hf-num">
          {formats.usd(usd)} · {formats.percent(percent / 100)}
        </span>
        <Reached reached={reached} />
      </span>
    </div>
  );
}

const LOOKS = {
  80: { mark: '◐', className: 'hf-state-warn' },
  90: { mark: '◕', className: 'hf-state-warn' },
  100: { mark: '▲', className: 'hf-state-bad' },
} as const;

function Reached({ reached }: Pick<Spending, 'reached'>) {
  const { t } = useTranslation('settings');
  if (reached === 0) return null;
  const { mark, className } = LOOKS[reached];
  return (
    <span className={`hf-state ${className}`}>
      <span aria-hidden="true">{mark}</span> {t(`budgets.reached.${reached}`)}
    </span>
  );
}
