import { Kbd } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Dialog } from '../ui/dialog.tsx';
import typography from '../ui/typography.module.css';
import styles from './shell.module.css';

const KEYS = [
  ['help', ['?']],
  ['search', ['/']],
  ['home', ['g', 'h']],
  ['voice', ['g', 'v']],
  ['sessions', ['g', 's']],
  ['tasks', ['g', 't']],
  ['queue', ['g', 'q']],
  ['settings', ['g', 'e']],
  ['space', ['Space']],
  ['events', ['←', '→']],
  ['ends', ['Home', 'End']],
  ['zoom', ['+', '−', '0']],
  ['table', ['t']],
] as const;

/** Lists the keys. */
export function HelpDialog({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation('shell');
  return (
    <Dialog opened={opened} onClose={onClose} title={t('help.title')}>
      <dl className={styles.keys}>
        {KEYS.map(([name, keys]) => (
          <div key={name}>
            <dt>
              {keys.map(key => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dt>
            <dd>{t(`keys.${name}`)}</dd>
          </div>
        ))}
      </dl>
      <p className={typography.soft}>{t('keys.off')}</p>
    </Dialog>
  );
}
