import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Empty, Page } from '../ui/page.tsx';
import { Problem } from '../ui/problem.tsx';
import typography from '../ui/typography.module.css';

/** Shown for an unknown address. */
export function NotFound() {
  const { t } = useTranslation('shell');
  return (
    <Page title={t('notFound.title')}>
      <Empty
        title={t('notFound.text')}
        action={
          <Button component={Link} to="/" variant="default">
            {t('notFound.home')}
          </Button>
        }
      />
    </Page>
  );
}

/** A page that broke, or whose code could not be loaded. */
export function PageError({ error, reset }: { error: unknown; reset: () => void }) {
  const { t } = useTranslation('shell');
  return (
    <Page title={t('broken.title')}>
      <Problem error={error} onRetry={reset} />
    </Page>
  );
}

/** Holds the place of a page whose code is on its way. */
export function PagePending() {
  const { t } = useTranslation('ui');
  return (
    <p className={typography.soft} role="status" data-pending>
      {t('loading')}
    </p>
  );
}
