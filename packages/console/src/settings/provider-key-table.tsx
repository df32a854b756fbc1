import type { ProviderKey } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { RowActions } from '../ui/row-actions.tsx';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { When } from '../ui/when.tsx';
import { useProviderTitle } from './use-provider-title.ts';

/** One row for each provider, with no more of its key than the last characters. */
export function ProviderKeyTable(props: {
  keys: readonly ProviderKey[];
  onReplace: (key: ProviderKey) => void;
  onRemove: (key: ProviderKey) => void;
}) {
  const { t } = useTranslation('settings');
  const titleOf = useProviderTitle();
  const columns = ['provider', 'name', 'hint', 'by', 'at'] as const;
  return (
    <table className={`${tables.table} ${tables.cards}`}>
      <thead>
        <tr>
          {columns.map(column => (
            <th key={column} scope="col">
              {t(`providerKeys.column.${column}`)}
            </th>
          ))}
          <th scope="col">
            <span className={typography.visuallyHidden}>{t('keys.column.actions')}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {props.keys.map(key => (
          <tr key={key.id}>
            <td>
              <strong>{titleOf(key.provider)}</strong>
            </td>
            <td data-label={t('providerKeys.column.name')}>{key.name}</td>
            <td data-label={t('providerKeys.column.hint')}>
              <code>…{key.hint}</code>
            </td>
            <td data-label={t('providerKeys.column.by')}>{key.created_by}</td>
            <td data-label={t('providerKeys.column.at')}>
              <When at={key.created_at} />
            </td>
            <td>
              <RowActions
                actions={[
                  {
                    text: t('providerKeys.replace'),
                    label: t('providerKeys.replaceName', { provider: titleOf(key.provider) }),
                    act: () => props.onReplace(key),
                  },
                  {
                    text: t('providerKeys.remove'),
                    label: t('providerKeys.removeName', { provider: titleOf(key.provider) }),
                    act: () => props.onRemove(key),
                  },
                ]}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
