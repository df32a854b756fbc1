import type { Budget } from '@holdfast/protocol';
import { Button, Group } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { BudgetMeter } from './budget-meter.tsx';
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
    <table className="hf-table hf-cards hf-budgets">
      <thead>
        <tr>
          <th scope="col">{t('budgets.column.scope')}</th>
          <th scope="col" className="hf-right">
            {t('budgets.column.limit')}
          </th>
          <th scope="col">{t('budgets.column.spent')}</th>
          {props.admin && (
            <th scope="col">
              <span className="hf-visually-hidden">{t('keys.column.actions')}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {props.budgets.map(budget => (
          <tr key={budget.id}>
            <td className="hf-budget-scope">
              <strong>{nameOf(budget)}</strong>
            </td>
            <td className="hf-right hf-num" data-label={t('budgets.column.limit')}>
              {formats.usd(budget.limit_usd)}
            </td>
            <td data-label={t('budgets.column.spent')}>
              <BudgetMeter budget={budget} />
            </td>
            {props.admin && (
              <td>
                <Actions {...props} budget={budget} name={nameOf(budget)} />
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Actions(props: {
  budget: Budget;
  name: string;
  onChange: (budget: Budget) => void;
  onRemove: (budget: Budget) => void;
}) {
  const { t } = useTranslation('settings');
  const { budget, name } = props;
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap" className="hf-row-actions">
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t('budgets.changeName', { of: name })}
        onClick={() => props.onChange(budget)}
      >
        {t('budgets.change')}
      </Button>
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t('budgets.removeName', { of: name })}
        onClick={() => props.onRemove(budget)}
      >
        {t('budgets.remove')}
      </Button>
    </Group>
  );
}
