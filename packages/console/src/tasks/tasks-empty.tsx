import type { Repo } from '@holdfast/protocol';
import { Button, Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { agentsQuery } from '../app/run-queries.ts';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Empty } from '../ui/page.tsx';
import { Problem } from '../ui/problem.tsx';
import { defaultAgents } from './agents.ts';
import { sampleRepo } from './board.ts';
import { useCreateTask } from './use-create-task.ts';

/** What tasks are for, and the first step: the sample repository where there is one. */
export function TasksEmpty(props: {
  repos: readonly Repo[];
  mayWrite: boolean;
  onAsk: (asked: 'task' | 'repo') => void;
}) {
  const { t } = useTranslation('tasks');
  const agents = useQuery(agentsQuery).data?.data ?? [];
  const sample = sampleRepo(props.repos);
  const { create, busy, error, saved } = useCreateTask();
  if (!props.mayWrite) return <Empty title={t('empty.title')}>{t('empty.viewer')}</Empty>;
  const start = () =>
    create({
      repo_id: sample!.id,
      title: t('sample.title'),
      instruction: t('sample.instruction'),
      agents: defaultAgents(agents),
    });
  return (
    <div className={layout.card}>
      <Empty
        title={t('empty.title')}
        action={
          <Group gap="xs">
            {sample && (
              <Button
                loading={busy}
                onClick={() => void start()}
                leftSection={<Icon name="play" />}
              >
                {t('sample.button')}
              </Button>
            )}
            {sample ? (
              <Button variant="default" onClick={() => props.onAsk('task')}>
                {t('newTask.button')}
              </Button>
            ) : (
              <Button onClick={() => props.onAsk('repo')} leftSection={<Icon name="folder" />}>
                {t('addRepo.button')}
              </Button>
            )}
          </Group>
        }
      >
        {t('empty.text')} {sample ? t('empty.sample') : t('empty.repo')}
      </Empty>
      {error !== null && <Problem error={error} saved={saved ? t('newTask.saved') : ''} />}
    </div>
  );
}
