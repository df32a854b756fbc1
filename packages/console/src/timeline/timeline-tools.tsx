import { ActionIcon, Button, Group, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Icon, type IconName } from '../ui/icons.tsx';
import styles from './timeline.module.css';
import type { WindowView } from './use-window.ts';

/** Zoom by buttons, and the way back to the present. */
export function TimelineTools({ view, live }: { view: WindowView; live: boolean }) {
  const { t } = useTranslation('timeline');
  const tool = (name: IconName, label: string, act: () => void) => (
    <Tooltip label={label}>
      <ActionIcon variant="default" size="md" aria-label={label} onClick={act}>
        <Icon name={name} size={16} />
      </ActionIcon>
    </Tooltip>
  );
  return (
    <Group gap={6} justify="flex-end" className={styles.tools}>
      {live && (
        <Button
          size="compact-sm"
          variant={view.following ? 'light' : 'default'}
          onClick={view.fit}
          aria-pressed={view.following}
        >
          {view.following ? t('following') : t('follow')}
        </Button>
      )}
      {tool('minus', t('wider'), () => view.zoomBy(1 / 0.6))}
      {tool('plus', t('closer'), () => view.zoomBy(0.6))}
      {tool('fit', t('fit'), view.fit)}
    </Group>
  );
}
