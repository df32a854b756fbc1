import { Link } from '@tanstack/react-router';
import { useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import { useAnnounce } from '../ui/use-announce.tsx';
import { type Ending, onEnding } from './endings.ts';

const SHOWN_MAX = 4;
const SHOWN_MS = 12_000;

/** Says that a run has ended, on any page; through the browser when the tab is out of sight. */
export function EndingToasts() {
  const { t } = useTranslation('tasks');
  const announce = useAnnounce();
  const [shown, setShown] = useState<readonly Ending[]>([]);
  const dismiss = useCallback(
    (runId: string) => setShown(now => now.filter(ending => ending.runId !== runId)),
    [],
  );
  useEffect(
    () =>
      onEnding(ending => {
        const words = t(`ended.${ending.status}`, { agent: ending.agent, title: ending.title });
        announce(words);
        notify(ending.runId, words);
        setShown(now => [...now, ending].slice(-SHOWN_MAX));
        // What failed stays until somebody has read it.
        if (ending.status !== 'failed') setTimeout(() => dismiss(ending.runId), SHOWN_MS);
      }),
    [announce, t, dismiss],
  );
  if (shown.length === 0) return null;
  return (
    <aside className="hf-toasts" aria-label={t('ended.label')}>
      {shown.map(({ runId, taskId, messageId, status, agent, title }) => (
        <div key={runId} className="hf-toast" data-status={status}>
          <span>{t(`ended.${status}`, { agent, title })}</span>
          <Link
            to="/tasks/$id"
            params={{ id: taskId }}
            search={{ message: messageId, run: runId }}
            onClick={() => dismiss(runId)}
          >
            {t('ended.open')}
          </Link>
          <button type="button" aria-label={t('ended.dismiss')} onClick={() => dismiss(runId)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </aside>
  );
}

function notify(runId: string, words: string): void {
  if (typeof Notification === 'undefined' || Notification.permission !== 'granted') return;
  if (document.visibilityState === 'visible') return;
  const notification = new Notification('Holdfast', { body: words, tag: runId });
  notification.onclick = () => window.focus();
}
