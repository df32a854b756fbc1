import { Button } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import layout from '../ui/layout.module.css';
import { colours, resetColours } from './page-tools.ts';

/** The way back after the model has painted the page. */
export function PageColours() {
  const { t } = useTranslation('voice');
  const changed = useSyncExternalStore(colours.subscribe, colours.changed);
  if (!changed) return null;
  return (
    <div className={`${layout.card} ${layout.line}`}>
      <span>{t('painted')}</span>
      <Button size="xs" variant="default" onClick={resetColours}>
        {t('resetColours')}
      </Button>
    </div>
  );
}
