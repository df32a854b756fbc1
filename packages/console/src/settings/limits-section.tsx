import type { LimitList, Me } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { apiKeysQuery, limitsQuery } from '../app/queries.ts';
import { Icon } from '../ui/icons.tsx';
import { Section } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import typography from '../ui/typography.module.css';
import { AdminHint } from './admin-hint.tsx';
import { LimitDialog } from './limit-dialog.tsx';
import { LimitTable } from './limit-table.tsx';
import styles from './settings.module.css';

/** How much people, keys and the project may do at once. All users read, Admins set. */
export function LimitsSection({ me }: { me: Me | undefined }) {
  const { t } = useTranslation('settings');
  const admin = me?.role === 'Admin';
  const limits = useQuery(limitsQuery);
  const [asked, setAsked] = useState<string | null>(null);
  const nameOf = useSubjectName(admin);
  return (
    <Section
      title={t('limits.title')}
      id="limits"
      actions={
        admin && (
          <Button
            size="xs"
            leftSection={<Icon name="plus" size={16} />}
            onClick={() => setAsked('project')}
          >
            {t('limits.set')}
          </Button>
        )
      }
    >
      {me && <AdminHint me={me} of="limits" />}
      {limits.error && <Problem error={limits.error} onRetry={() => void limits.refetch()} />}
      {limits.isPending && <Placeholder size="row" />}
      {limits.data && (
        <>
          <LimitTable
            limits={limits.data}
            nameOf={nameOf}
            {...(admin && { onChange: (subject: string) => setAsked(subject) })}
          />
          <p className={`${typography.soft} ${styles.note}`}>{t('limits.what')}</p>
          <Dialogs
            limits={limits.data}
            asked={asked}
            nameOf={nameOf}
            close={() => setAsked(null)}
          />
        </>
      )}
    </Section>
  );
}

function Dialogs(props: {
  limits: LimitList;
  asked: string | null;
  nameOf: (subject: string) => string;
  close: () => void;
}) {
  const keys = useQuery({ ...apiKeysQuery, enabled: props.asked !== null }).data?.data ?? [];
  const open = keys.filter(key => key.revoked_at === null).map(key => key.id);
  return (
    <LimitDialog
      limits={props.limits}
      asked={props.asked}
      subjects={['project', ...open]}
      nameOf={props.nameOf}
      onClose={props.close}
    />
  );
}

/** A key by its name, where the reader may know it. */
function useSubjectName(admin: boolean): (subject: string) => string {
  const { t } = useTranslation('settings');
  const keys = useQuery({ ...apiKeysQuery, enabled: admin }).data?.data ?? [];
  return subject => {
    if (subject === 'project') return t('limits.project');
    const key = keys.find(one => one.id === subject);
    return t('limits.key', { name: key === undefined ? subject : `${key.name} (${key.prefix}…)` });
  };
}
