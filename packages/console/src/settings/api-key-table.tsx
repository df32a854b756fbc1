import type { ApiKey } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { When } from '../ui/when.tsx';

export function ApiKeyTable(props: { keys: readonly ApiKey[]; onRevoke: (key: ApiKey) => void }) {
  const { t } = useTranslation('settings');
  const shell = useTranslation('shell').t;
  const columns = ['name', 'prefix', 'role', 'created', 'used', 'expires'] as const;
  return (
    <table className={`${tables.table} ${tables.cards}`}>
      <thead>
        <tr>
          {columns.map(column => (
            <th key={column} scope="col">
              {t(`keys.column.${column}`)}
            </th>
          ))}
          <th scope="col">
            <span className={typography.visuallyHidden}>{t('keys.column.actions')}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {props.keys.map(key => (
          <tr key={key.id} data-off={key.revoked_at !== null || undefined}>
            <td>
              <strong>{key.name}</strong>
            </td>
            <td data-label={t('keys.column.prefix')}>
              <code>{key.prefix}…</code>
            </td>
            <td data-label={t('keys.column.role')}>
              {shell(`role.${key.role}`)}
              {key.scopes !== null && (
                <span className={typography.soft}>
                  {' · '}
                  {key.scopes.map(scope => t(`keys.scope.${scope}`)).join(', ')}
                </span>
              )}
            </td>
            <td data-label={t('keys.column.created')}>
              <When at={key.created_at} />
            </td>
            <td data-label={t('keys.column.used')}>
              {key.last_used_at ? <When at={key.last_used_at} /> : t('keys.never')}
            </td>
            <td data-label={t('keys.column.expires')}>
              {key.expires_at ? <When at={key.expires_at} /> : t('keys.never')}
            </td>
            <td className={tables.right}>
              {key.revoked_at === null ? (
                <Button
                  size="compact-sm"
                  variant="default"
                  aria-label={t('keys.revokeName', { name: key.name })}
                  onClick={() => props.onRevoke(key)}
                >
                  {t('keys.revoke')}
                </Button>
              ) : (
                <span className={typography.soft}>{t('keys.isRevoked')}</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
