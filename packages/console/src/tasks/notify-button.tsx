import { Button } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import { useAnnounce } from '../ui/use-announce.tsx';

/** Asks the browser for leave to notify; gone once it has answered. */
export function NotifyButton() {
  const { t } = useTranslation('tasks');
  const announce = useAnnounce();
  const [asked, setAsked] = useState(
    typeof Notification === 'undefined' || Notification.permission !== 'default',
  );
  if (asked) return null;
  const ask = async () => {
    const answer = await Notification.requestPermission();
    setAsked(answer !== 'default');
    if (answer === 'granted') announce(t('ended.allowed'));
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
