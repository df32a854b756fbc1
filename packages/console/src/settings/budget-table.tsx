import type { Budget } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { RowActions } from '../ui/row-actions.tsx';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { BudgetMeter } from './budget-meter.tsx';
import styles from './settings.module.css';
import { useScopeName } from './use-scope-name.ts';

/** Every budget with its limit and what is spent of it. */
export function BudgetTable(props: {
  budgets: readonly Budget[];
  admin: boolean;
  onChange: (budget: Budget) => void;
  onRemove: (budget: Budget) => void;
}) {
  const { t } = useTranslation('settings');
  const formats = useFormats();
  const nameOf = useScopeName();
  return (
    <table className={`${tables.table} ${tables.cards} ${styles.budgets}`}>
      <thead>
        <tr>
          <th scope="col">{t('budgets.column.scope')}</th>
          <th scope="col" className={tables.right}>
            {t('budgets.column.limit')}
          </th>
          <th scope="col">{t('budgets.column.spent')}</th>
          {props.admin && (
            <th scope="col">
              <span className={typography.visuallyHidden}>{t('keys.column.actions')}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {props.budgets.map(budget => (
          <tr key={budget.id}>
            <td className={styles.budgetScope}>
              <strong>{nameOf(budget)}</strong>
            </td>
            <td
              className={`${tables.right} ${typography.num}`}
              data-label={t('budgets.column.limit')}
            >
              {formats.usd(budget.limit_usd)}
            </td>
            <td data-label={t('budgets.column.spent')}>
              <BudgetMeter budget={budget} />
            </td>
            {props.admin && (
              <td>
                <RowActions
                  actions={[
                    {
                      text: t('budgets.change'),
                      label: t('budgets.changeName', { of: nameOf(budget) }),
                      act: () => props.onChange(budget),
                    },
                    {
                      text: t('budgets.remove'),
                      label: t('budgets.removeName', { of: nameOf(budget) }),
                      act: () => props.onRemove(budget),
                    },
                  ]}
                />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
