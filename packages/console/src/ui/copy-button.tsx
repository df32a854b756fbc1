import { ActionIcon, Button, Tooltip } from '@mantine/core';
import { useClipboard } from '@mantine/hooks';
import { useTranslation } from 'react-i18next';
import { Icon } from './icons.tsx';

const SHOWN_MS = 2000;

/** Copies `value` and shows in place how that went. `label` names what is copied. */
export function CopyButton(props: { value: string; label: string; text?: string }) {
  const { t } = useTranslation('ui');
  const { copy, copied, error } = useClipboard({ timeout: SHOWN_MS });
  const outcome = error !== null ? t('copyFailed') : copied ? t('copied') : null;
  const icon = <Icon name={error !== null ? 'alert' : copied ? 'check' : 'copy'} size={16} />;
  if (props.text !== undefined) {
    return (
      <Button variant="default" size="xs" leftSection={icon} onClick={() => copy(props.value)}>
        {outcome ?? props.text}
      </Button>
    );
  }
  const label = outcome ?? props.label;
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        onClick={() => copy(props.value)}
        aria-label={label}
      >
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}
