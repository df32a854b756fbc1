import type { Me, ProviderKey } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { providerKeysQuery } from '../app/run-queries.ts';
import { client } from '../app/services.ts';
import { Confirm } from '../ui/confirm.tsx';
import { Icon } from '../ui/icons.tsx';
import { Empty, Section } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import { useNotify } from '../ui/use-notify.tsx';
import { AdminHint } from './admin-hint.tsx';
import { ProviderKeyDialog } from './provider-key-dialog.tsx';
import { ProviderKeyTable } from './provider-key-table.tsx';

/** The project's own provider keys. For Admins; no key is shown again after it is saved. */
export function ProviderKeys({ me }: { me: Me | undefined }) {
  const { t } = useTranslation('settings');
  const admin = me?.role === 'Admin';
  const [asked, setAsked] = useState<ProviderKey | 'new' | null>(null);
  return (
    <Section
      title={t('providerKeys.title')}
      id="provider-keys"
      actions={
        admin && (
          <Button
            size="xs"
            leftSection={<Icon name="plus" size={16} />}
            onClick={() => setAsked('new')}
          >
            {t('providerKeys.enter')}
          </Button>
        )
      }
    >
      {me && <AdminHint me={me} of="providerKeys" />}
      {admin && <KeyList asked={asked} onAsk={setAsked} />}
    </Section>
  );
}

function KeyList(props: {
  asked: ProviderKey | 'new' | null;
  onAsk: (asked: ProviderKey | null) => void;
}) {
  const { t } = useTranslation('settings');
  const keys = useQuery(providerKeysQuery);
  const [doomed, setDoomed] = useState<ProviderKey | null>(null);
  if (keys.error) return <Problem error={keys.error} onRetry={() => void keys.refetch()} />;
  if (!keys.data) return <Placeholder size="row" />;
  const known = keys.data.data;
  return (
    <>
      {known.length === 0 ? (
        <Empty title={t('providerKeys.none')}>{t('providerKeys.what')}</Empty>
      ) : (
        <ProviderKeyTable keys={known} onReplace={props.onAsk} onRemove={setDoomed} />
      )}
      <ProviderKeyDialog asked={props.asked} known={known} onClose={() => props.onAsk(null)} />
      <RemoveKey doomed={doomed} onClose={() => setDoomed(null)} />
    </>
  );
}

function RemoveKey({ doomed, onClose }: { doomed: ProviderKey | null; onClose: () => void }) {
  const { t } = useTranslation('settings');
  const queries = useQueryClient();
  const notify = useNotify();
  const remove = async () => {
    if (doomed) await client.providerKeys.revoke(doomed.id);
    notify.done(t('providerKeys.removed'));
    await queries.invalidateQueries({ queryKey: ['provider-keys'] });
    await queries.invalidateQueries({ queryKey: ['audit'] });
  };
  return (
    <Confirm
      opened={doomed !== null}
      title={t('providerKeys.confirmTitle')}
      text={t('providerKeys.confirmText', { name: doomed?.name ?? '', hint: doomed?.hint ?? '' })}
      confirm={t('providerKeys.remove')}
      onConfirm={remove}
      onClose={onClose}
    />
  );
}
