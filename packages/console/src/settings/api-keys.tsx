import type { ApiKey, Me } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { apiKeysQuery } from '../app/queries.ts';
import { client } from '../app/services.ts';
import { Confirm } from '../ui/confirm.tsx';
import { Icon } from '../ui/icons.tsx';
import { Empty, Section } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import { useNotify } from '../ui/use-notify.tsx';
import { AdminHint } from './admin-hint.tsx';
import { ApiKeyTable } from './api-key-table.tsx';
import { CreateKeyDialog } from './create-key-dialog.tsx';

/** Keys for programs: created, shown once, revoked. Admins only; others read how to become one. */
export function ApiKeys({ me }: { me: Me | undefined }) {
  const { t } = useTranslation('settings');
  const admin = me?.role === 'Admin';
  const [creating, setCreating] = useState(false);
  return (
    <Section
      title={t('keys.title')}
      id="keys"
      actions={
        admin && (
          <Button
            size="xs"
            leftSection={<Icon name="plus" size={16} />}
            onClick={() => setCreating(true)}
          >
            {t('keys.create')}
          </Button>
        )
      }
    >
      {me && <AdminHint me={me} of="keys" />}
      {admin && <KeyList />}
      <CreateKeyDialog opened={creating} onClose={() => setCreating(false)} />
    </Section>
  );
}

function KeyList() {
  const { t } = useTranslation('settings');
  const keys = useQuery(apiKeysQuery);
  const queries = useQueryClient();
  const notify = useNotify();
  const [doomed, setDoomed] = useState<ApiKey | null>(null);
  const revoke = async () => {
    if (doomed) await client.apiKeys.revoke(doomed.id);
    notify.done(t('keys.revoked'));
    await queries.invalidateQueries({ queryKey: ['api-keys'] });
    await queries.invalidateQueries({ queryKey: ['audit'] });
  };
  if (keys.error) return <Problem error={keys.error} onRetry={() => void keys.refetch()} />;
  if (!keys.data) return <Placeholder size="row" />;
  return (
    <>
      {keys.data.data.length === 0 ? (
        <Empty title={t('keys.none')}>{t('keys.what')}</Empty>
      ) : (
        <ApiKeyTable keys={keys.data.data} onRevoke={setDoomed} />
      )}
      <Confirm
        opened={doomed !== null}
        title={t('keys.confirmTitle')}
        text={t('keys.confirmText', { name: doomed?.name ?? '', prefix: doomed?.prefix ?? '' })}
        confirm={t('keys.revoke')}
        onConfirm={revoke}
        onClose={() => setDoomed(null)}
      />
    </>
  );
}
