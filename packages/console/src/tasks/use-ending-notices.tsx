import { notifications } from '@mantine/notifications';
import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { useNotify } from '../ui/use-notify.tsx';
import { onEnding } from './endings.ts';

const SHOWN_MS = 12_000;
const TONES = { succeeded: 'good', failed: 'bad', canceled: 'quiet' } as const;

/** Reports the end of a run on any page; through the browser while the tab is out of sight. */
export function useEndingNotices(): void {
  const { t } = useTranslation('tasks');
  const notify = useNotify();
  useEffect(
    () =>
      onEnding(({ runId, taskId, messageId, agent, title, status }) => {
        const words = t(`ended.${status}`, { agent, title });
        notifyThroughBrowser(runId, words);
        notify.show({
          id: runId,
          tone: TONES[status],
          words,
          // A failure stays until the reader closes it.
          closeAfterMs: status === 'failed' ? null : SHOWN_MS,
          more: (
            <Link
              to="/tasks/$id"
              params={{ id: taskId }}
              search={{ message: messageId, run: runId }}
              onClick={() => notifications.hide(runId)}
            >
              {t('ended.open')}
            </Link>
          ),
        });
      }),
    [notify, t],
  );
}

function notifyThroughBrowser(runId: string, words: string): void {
  if (typeof Notification === 'undefined' || Notification.permission !== 'granted') return;
  if (document.visibilityState === 'visible') return;
  const notification = new Notification('Holdfast', { body: words, tag: runId });
  notification.onclick = () => window.focus();
}
