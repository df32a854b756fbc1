import { Button } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import { useNotify } from '../ui/use-notify.tsx';

/** Asks the browser for permission to notify; hidden once the browser has answered. */
export function NotifyButton() {
  const { t } = useTranslation('tasks');
  const notify = useNotify();
  const [asked, setAsked] = useState(
    typeof Notification === 'undefined' || Notification.permission !== 'default',
  );
  if (asked) return null;
  const ask = async () => {
    const answer = await Notification.requestPermission();
    setAsked(answer !== 'default');
    if (answer === 'granted') notify.done(t('ended.allowed'));
    if (answer === 'denied') {
      notify.show({ tone: 'warn', words: t('ended.denied'), closeAfterMs: null });
    }
  };
  return (
    <Button
      variant="default"
      leftSection={<Icon name="bell" size={16} />}
      onClick={() => void ask()}
    >
      {t('ended.allow')}
    </Button>
  );
}
