import { Button, Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { CopyButton } from './copy-button.tsx';
import { Icon } from './icons.tsx';
import styles from './problem.module.css';
import { useProblemWords } from './problem-words.ts';

/** What happened, what is safe, what to do, and the request id that an operator needs. */
export function Problem(props: { error: unknown; saved?: string; onRetry?: () => void }) {
  const { t } = useTranslation('ui');
  const { what, detail, todo, requestId } = useProblemWords()(props.error);
  return (
    <div className={styles.problem} role="alert">
      <Icon name="alert" />
      <div>
        <Text fw={600}>{what}</Text>
        {detail !== '' && (
          <Text size="sm" lang="en">
            {detail}
          </Text>
        )}
        <Text size="sm">{[props.saved, todo].filter(Boolean).join(' ')}</Text>
        <Group gap="xs" mt="xs">
          {props.onRetry && (
            <Button size="xs" variant="default" onClick={props.onRetry}>
              {t('tryAgain')}
            </Button>
          )}
          {requestId && <RequestId id={requestId} />}
        </Group>
      </div>
    </div>
  );
}

export function RequestId({ id }: { id: string }) {
  const { t } = useTranslation('ui');
  return (
    <Group gap={4} wrap="nowrap">
      <Text size="xs" c="var(--hf-ink-soft)">
        {t('requestId')} <code>{id}</code>
      </Text>
      <CopyButton value={id} label={t('copyRequestId')} />
    </Group>
  );
}
