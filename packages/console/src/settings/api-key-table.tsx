import type { ApiKey } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { When } from '../ui/when.tsx';

export function ApiKeyTable(props: { keys: readonly ApiKey[]; onRevoke: (key: ApiKey) => void }) {
  const { t } = useTranslation('settings');
  const shell = useTranslation('shell').t;
  const columns = ['name', 'prefix', 'role', 'created', 'used', 'expires'] as const;
  return (
    <table className="hf-table hf-cards">
      <thead>
        <tr>
          {columns.map(column => (
            <th key={column} scope="col">
              {t(`keys.column.${column}`)}
            </th>
          ))}
          <th scope="col">
            <span className="hf-visually-hidden">{t('keys.column.actions')}</span>
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
            <td data-label={t('keys.column.role')}>{shell(`role.${key.role}`)}</td>
            <td data-label={t('keys.column.created')}>
              <When at={key.created_at} />
            </td>
            <td data-label={t('keys.column.used')}>
              {key.last_used_at ? <When at={key.last_used_at} /> : t('keys.never')}
            </td>
            <td data-label={t('keys.column.expires')}>
              {key.expires_at ? <When at={key.expires_at} /> : t('keys.never')}
            </td>
            <td className="hf-right">
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
                <span className="hf-soft">{t('keys.isRevoked')}</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
