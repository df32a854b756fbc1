import type { Run } from '@holdfast/protocol';
import { Button, Group } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { Icon, type IconName } from '../ui/icons.tsx';
import { Problem } from '../ui/problem.tsx';
import { shortDetail } from '../ui/problem-words.ts';
import { useDownload } from '../ui/use-download.ts';
import { useNotify } from '../ui/use-notify.tsx';
import { pushBranch } from './push-branch.ts';
import { isOver } from './run-states.ts';
import shared from './tasks.module.css';

type Verb = 'cancel' | 'retry' | 'pick' | 'push';

/** Cancel a running run; pick, download, push or retry one that has ended. */
export function RunActions(props: {
  run: Run;
  own: boolean;
  /** The agent's title. */
  title: string;
  align: 'flex-start' | 'flex-end';
}) {
  const { run, own, title } = props;
  const { t } = useTranslation('tasks');
  const act = useAct(run, title);
  const download = useDownload();
  const over = isOver(run.status);
  const hasWork = over && run.head_commit !== null;
  const button = (verb: Verb, icon: IconName, label: string) => (
    <Button
      key={verb}
      size="compact-sm"
      variant={verb === 'pick' ? 'filled' : 'default'}
      loading={act.isPending && act.variables === verb}
      leftSection={<Icon name={icon} size={14} />}
      onClick={() => act.mutate(verb)}
    >
      {label}
    </Button>
  );
  return (
    <>
      <Group gap="xs" justify={props.align}>
        {own && !over && button('cancel', 'stop', t('action.cancel'))}
        {own && over && !run.picked && button('retry', 'retry', t('action.retry'))}
        {hasWork && (
          <Button
            component="a"
            href={client.runs.patchUrl(run.id)}
            download={`${run.id}.patch`}
            onClick={download(client.runs.patchUrl(run.id), `${run.id}.patch`)}
            size="compact-sm"
            variant="default"
            aria-label={t('action.download')}
            title={t('action.download')}
          >
            <Icon name="download" size={14} />
          </Button>
        )}
        {own && hasWork && button('push', 'branch', t('action.push'))}
        {own && hasWork && !run.picked && button('pick', 'check', t('action.pick'))}
        {run.picked && (
          <span className={shared.picked}>
            <Icon name="check" size={16} /> {t('action.pickedDone')}
          </span>
        )}
      </Group>
      {act.error !== null && <Problem error={act.error} />}
    </>
  );
}

const WORDS = { cancel: 'canceled', retry: 'retried', pick: 'pickDone' } as const;
const PUSH_WORDS = {
  pushed: 'pushDone',
  already_there: 'pushDone',
  failed: 'pushFailed',
  waiting: 'pushWaits',
} as const;
const PUSH_SHOWN_MS = 12_000;

function useAct(run: Run, title: string) {
  const { t } = useTranslation('tasks');
  const queries = useQueryClient();
  const notify = useNotify();
  return useMutation({
    mutationFn: async (verb: Verb) => {
      if (verb !== 'push') {
        await client.runs[verb](run.id);
        return notify.done(t(`action.${WORDS[verb]}`, { agent: title }));
      }
      const { outcome, message, ciChanges } = await pushBranch(client.runs, run);
      const failed = outcome === 'failed';
      const branch = run.branch ?? '';
      notify.show({
        tone: failed ? 'bad' : outcome === 'waiting' ? 'warn' : 'good',
        words:
          ciChanges === null
            ? t(`action.${PUSH_WORDS[outcome]}`, { branch, message: shortDetail(message) })
            : t('action.pushRefused', {
                branch,
                files: shortDetail(ciChanges.files.join(', ')),
                total: ciChanges.total,
              }),
        closeAfterMs: failed ? null : PUSH_SHOWN_MS,
      });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: ['task', run.task_id] }),
  });
}
