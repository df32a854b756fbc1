import { Button, Group, Text } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Dialog } from './dialog.tsx';
import { Problem } from './problem.tsx';

/** Asks before an act that cannot be undone, and names what it affects. */
export function Confirm(props: {
  opened: boolean;
  title: string;
  text: string;
  confirm: string;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}) {
  const { t } = useTranslation('ui');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setError(null);
    props.onClose();
  };
  const act = async () => {
    setBusy(true);
    setError(null);
    try {
      await props.onConfirm();
      close();
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog opened={props.opened} onClose={close} title={props.title}>
      <Text mb="md">{props.text}</Text>
      {error !== null && <Problem error={error} />}
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={close} data-autofocus>
          {t('cancel')}
        </Button>
        <Button color="red.8" loading={busy} onClick={() => void act()}>
          {props.confirm}
        </Button>
      </Group>
    </Dialog>
  );
}
