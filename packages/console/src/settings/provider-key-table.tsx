import type { ProviderKey } from '@holdfast/protocol';
import { Button, Group } from '@mantine/core';
import { useTranslation } from 'react-i18next';
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
    <table className="hf-table hf-cards">
      <thead>
        <tr>
          {columns.map(column => (
            <th key={column} scope="col">
              {t(`providerKeys.column.${column}`)}
            </th>
          ))}
          <th scope="col">
            <span className="hf-visually-hidden">{t('keys.column.actions')}</span>
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
              <Actions {...props} entry={key} title={titleOf(key.provider)} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Actions(props: {
  entry: ProviderKey;
  title: string;
  onReplace: (key: ProviderKey) => void;
  onRemove: (key: ProviderKey) => void;
}) {
  const { t } = useTranslation('settings');
  const { entry, title } = props;
  return (
    <Group gap="xs" justify="flex-end" wrap="nowrap" className="hf-row-actions">
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t('providerKeys.replaceName', { provider: title })}
        onClick={() => props.onReplace(entry)}
      >
        {t('providerKeys.replace')}
      </Button>
      <Button
        size="compact-sm"
        variant="default"
        aria-label={t('providerKeys.removeName', { provider: title })}
        onClick={() => props.onRemove(entry)}
      >
        {t('providerKeys.remove')}
      </Button>
    </Group>
  );
}
