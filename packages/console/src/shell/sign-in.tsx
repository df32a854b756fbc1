import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import layout from '../ui/layout.module.css';
import { Page } from '../ui/page.tsx';
import typography from '../ui/typography.module.css';

/** Shown in place of any page as long as the server does not know the caller. */
export function SignIn() {
  const { t } = useTranslation('shell');
  const back = `${window.location.pathname}${window.location.search}`;
  return (
    <Page title={t('signIn.title')}>
      <div className={layout.card}>
        <p>{t('signIn.text')}</p>
        <Button component="a" href={`/auth/login?return_to=${encodeURIComponent(back)}`}>
          {t('signIn.button')}
        </Button>
        <p className={typography.soft}>{t('signIn.local')}</p>
      </div>
    </Page>
  );
}
