import type { ConsoleInfo } from '@holdfast/client';
import type { Me } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { forgetPageSecret } from '../app/page-secret.ts';
import { client } from '../app/services.ts';
import { nameOf } from '../shell/server-texts.ts';
import { SignInEnd } from '../shell/sign-in-end.tsx';
import layout from '../ui/layout.module.css';
import { Section } from '../ui/page.tsx';
import typography from '../ui/typography.module.css';
import { useNotify } from '../ui/use-notify.tsx';

/** The account that the server sees, and which server answers. */
export function WhoAmI(props: { me: Me | undefined; server: ConsoleInfo | undefined }) {
  const { t } = useTranslation('settings');
  const shell = useTranslation('shell').t;
  const { me, server } = props;
  const notify = useNotify();
  const signOut = useMutation({
    mutationFn: () => client.signOut(),
    onSuccess: () => {
      forgetPageSecret();
      window.location.assign('/');
    },
    onError: notify.failed,
  });
  return (
    <Section
      title={t('who.title')}
      id="who"
      actions={
        me?.kind === 'user' && (
          <Button
            size="xs"
            variant="default"
            loading={signOut.isPending}
            onClick={() => signOut.mutate()}
          >
            {t('who.signOut')}
          </Button>
        )
      }
    >
      <dl className={layout.facts}>
        <dt>{t('who.name')}</dt>
        <dd>{me ? nameOf(me, shell) : '—'}</dd>
        <dt>{t('who.id')}</dt>
        <dd>
          <code>{me?.id ?? '—'}</code>
        </dd>
        <dt>{t('who.role')}</dt>
        <dd>{me ? shell(`role.${me.role}`) : '—'}</dd>
        <dt>{t('who.project')}</dt>
        <dd>{me?.project_id ?? '—'}</dd>
        <dt>{t('who.mode')}</dt>
        <dd>{me ? t(`who.modes.${me.mode}`) : '—'}</dd>
        <dt>{t('who.server')}</dt>
        <dd>{server ? `${server.replica} · ${server.revision}` : '—'}</dd>
      </dl>
      <SignInEnd className={typography.soft} />
    </Section>
  );
}
