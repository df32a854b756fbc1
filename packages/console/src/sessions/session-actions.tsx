import type { Session } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { meQuery } from '../app/queries.ts';
import { client } from '../app/services.ts';
import { useFormats } from '../i18n/format.ts';
import { Confirm } from '../ui/confirm.tsx';
import { Icon } from '../ui/icons.tsx';
import { isFinal } from '../ui/states.ts';
import { useNotify } from '../ui/use-notify.tsx';
import { lengthOf } from './session-table.tsx';

/** End and delete, for those who may; both ask first, because neither can be undone. */
export function SessionActions({ session }: { session: Session }) {
  const { t } = useTranslation('sessions');
  const formats = useFormats();
  const me = useQuery(meQuery).data;
  const queries = useQueryClient();
  const navigate = useNavigate();
  const notify = useNotify();
  const [asked, setAsked] = useState<'end' | 'delete' | null>(null);
  const own = me?.id === session.created_by && me.role !== 'Viewer';
  if (!own && me?.role !== 'Admin') return null;
  const end = async () => {
    await client.sessions.end(session.id);
    notify.done(t('end.done'));
    await queries.invalidateQueries({ queryKey: ['session', session.id] });
  };
  const remove = async () => {
    await client.sessions.delete(session.id);
    notify.done(t('delete.done'));
    await navigate({ to: '/sessions' });
    queries.removeQueries({ queryKey: ['session', session.id] });
    await queries.invalidateQueries({ queryKey: ['sessions'] });
  };
  const what = {
    model: session.model,
    time: formats.exact(Date.parse(session.created_at)),
    length: formats.clock(lengthOf(session, Date.now())),
    count: session.recordings.count,
  };
  const dialog = (kind: 'end' | 'delete', act: () => Promise<void>) => (
    <Confirm
      opened={asked === kind}
      title={t(`${kind}.title`)}
      text={t(`${kind}.text`, what)}
      confirm={t(`${kind}.button`)}
      onConfirm={act}
      onClose={() => setAsked(null)}
    />
  );
  return (
    <>
      {!isFinal(session.state) && (
        <Button
          variant="default"
          leftSection={<Icon name="stop" size={16} />}
          onClick={() => setAsked('end')}
        >
          {t('end.button')}
        </Button>
      )}
      <Button
        variant="default"
        leftSection={<Icon name="trash" size={16} />}
        onClick={() => setAsked('delete')}
      >
        {t('delete.button')}
      </Button>
      {dialog('end', end)}
      {dialog('delete', remove)}
    </>
  );
}
