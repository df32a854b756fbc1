import { ApiError } from '@holdfast/client';
import { Button, Group, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { CopyButton } from './copy-button.tsx';
import { Icon } from './icons.tsx';

/**
 * What happened, what is safe, what to do, and the request id an operator needs. Known codes have
 * words of their own; for others the server's own sentence is shown.
 */
export function Problem(props: { error: unknown; saved?: string; onRetry?: () => void }) {
  const { t, i18n } = useTranslation('ui');
  const error = props.error instanceof ApiError ? props.error : null;
  const code = error?.code ?? 'unexpected';
  const known = i18n.exists(`ui:problem.${code}.what`);
  const what = known ? t(`problem.${code}.what` as never) : t('problem.unexpected.what');
  const todo = known ? t(`problem.${code}.todo` as never) : t('problem.unexpected.todo');
  const detail = error?.status ? error.message : '';
  return (
    <div className="hf-problem" role="alert">
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
          {error?.requestId && <RequestId id={error.requestId} />}
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
