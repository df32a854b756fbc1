import { ActionIcon, Button, CopyButton as MantineCopy, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Icon } from './icons.tsx';

/** Copies `value`; says so in place. `label` names what is copied. */
export function CopyButton({
  value,
  label,
  text,
}: {
  value: string;
  label: string;
  text?: string;
}) {
  const { t } = useTranslation('ui');
  return (
    <MantineCopy value={value} timeout={2000}>
      {({ copied, copy }) => {
        const shown = copied ? t('copied') : label;
        const icon = <Icon name={copied ? 'check' : 'copy'} size={16} />;
        if (text !== undefined) {
          return (
            <Button variant="default" size="xs" leftSection={icon} onClick={copy}>
              {copied ? t('copied') : text}
            </Button>
          );
        }
        return (
          <Tooltip label={shown}>
            <ActionIcon variant="subtle" color="gray" onClick={copy} aria-label={shown}>
              {icon}
            </ActionIcon>
          </Tooltip>
        );
      }}
    </MantineCopy>
  );
}
