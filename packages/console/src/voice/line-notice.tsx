import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import styles from '../ui/problem.module.css';
import type { VoiceView } from './voice-store.ts';

/** How long it is told that the line is back. */
const BACK_SHOWN_MS = 8_000;

/** That the line was lost and is tried again, and for a moment that it is back. */
export function LineNotice({ view }: { view: VoiceView }) {
  const { t } = useTranslation('voice');
  const comeback = view.session?.comeback ?? null;
  const [hidden, setHidden] = useState(comeback);
  useEffect(() => {
    const timer = setTimeout(() => setHidden(comeback), BACK_SHOWN_MS);
    return () => clearTimeout(timer);
  }, [comeback]);
  const isAway = view.session?.isAway ?? false;
  const isBack = comeback !== null && comeback !== hidden && view.closedAtMs === null;
  return (
    <div role="status">
      {(isAway || isBack) && (
        <div className={`${styles.problem} ${styles.mild}`}>
          <Icon name="info" />
          <div>
            <strong>
              {t(isAway ? 'line.away' : comeback?.moved ? 'line.moved' : 'line.back')}
            </strong>
            {isAway && <p>{t('line.kept')}</p>}
            {!isAway && comeback !== null && comeback.lost > 0 && (
              <p>{t('line.lost', { count: comeback.lost })}</p>
            )}
          </div>
        </div>
      )}
    </div>
  );
}
