import type { Run } from '@holdfast/protocol';
import { Button, Group } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { Icon, type IconName } from '../ui/icons.tsx';
import { Problem } from '../ui/problem.tsx';
import { useAnnounce } from '../ui/use-announce.tsx';
import { pushBranch } from './push-branch.ts';
import { isOver } from './run-states.ts';

type Verb = 'cancel' | 'retry' | 'pick' | 'push';

/** Cancel while it works; afterwards pick it, take the patch or the branch along, or try again. */
export function RunActions({ run, own, title }: { run: Run; own: boolean; title: string }) {
  const { t } = useTranslation('tasks');
  const { act, busy, error } = useAct(run, title);
  const over = isOver(run.status);
  const hasWork = over && run.head_commit !== null;
  const button = (verb: Verb, icon: IconName, label: string) => (
    <Button
      key={verb}
      size="compact-sm"
      variant={verb === 'pick' ? 'filled' : 'default'}
      loading={busy === verb}
      leftSection={<Icon name={icon} size={14} />}
      onClick={() => void act(verb)}
    >
      {label}
    </Button>
  );
  return (
    <>
      <Group gap="xs" justify="flex-end">
        {own && !over && button('cancel', 'stop', t('action.cancel'))}
        {own && over && !run.picked && button('retry', 'retry', t('action.retry'))}
        {hasWork && (
          <Button
            component="a"
            href={client.runs.patchUrl(run.id)}
            download={`${run.id}.patch`}
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
          <span className="hf-picked">
            <Icon name="check" size={16} /> {t('action.pickedDone')}
          </span>
        )}
      </Group>
      {error !== null && <Problem error={error} />}
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

function useAct(run: Run, title: string) {
  const { t } = useTranslation('tasks');
  const queries = useQueryClient();
  const announce = useAnnounce();
  const [busy, setBusy] = useState<Verb | null>(null);
  const [error, setError] = useState<unknown>(null);
  const act = async (verb: Verb) => {
    setBusy(verb);
    setError(null);
    try {
      if (verb === 'push') {
        const { outcome, message } = await pushBranch(client.runs, run);
        announce(t(`action.${PUSH_WORDS[outcome]}`, { branch: run.branch ?? '', message }));
      } else {
        await client.runs[verb](run.id);
        announce(t(`action.${WORDS[verb]}`, { agent: title }));
      }
      await queries.invalidateQueries({ queryKey: ['task', run.task_id] });
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(null);
    }
  };
  return { act, busy, error };
}
