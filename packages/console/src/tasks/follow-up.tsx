import type { Run } from '@holdfast/protocol';
import { Button, NativeSelect, Textarea } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { agentsQuery } from '../app/run-queries.ts';
import { client } from '../app/services.ts';
import { Icon } from '../ui/icons.tsx';
import { Problem } from '../ui/problem.tsx';
import { useNotify } from '../ui/use-notify.tsx';
import { AgentPicker } from './agent-picker.tsx';
import { agentTitle, defaultAgents } from './agents.ts';
import styles from './conversation.module.css';
import { isOver } from './run-states.ts';
import type { TaskParts } from './task-parts.ts';

const INSTRUCTION_MAX_CHARS = 48_000;

/** Sends a message to the running agents; starts the next runs when none is running. */
export function FollowUp({ task, runs, message }: TaskParts) {
  const { t } = useTranslation('tasks');
  const known = useQuery(agentsQuery).data?.data ?? [];
  const queries = useQueryClient();
  const notify = useNotify();
  const navigate = useNavigate({ from: '/tasks/$id' });
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState<string[] | null>(null);
  const [fromChosen, setFrom] = useState<string | null>(null);
  const working = runs.some(run => !isOver(run.status));
  const before = runs.filter(run => run.message_id === message?.id).map(run => run.agent);
  const agents = chosen ?? (before.length > 0 ? [...new Set(before)] : defaultAgents(known));
  const from = fromChosen ?? runs.find(run => run.picked)?.id ?? '';
  const submit = useMutation({
    mutationFn: async () => {
      const instruction = text.trim() || undefined;
      if (working) {
        await client.tasks.addMessage(task.id, { instruction: instruction! });
        notify.done(t('followUp.sent'));
      } else {
        await client.tasks.start(task.id, {
          agents,
          instruction,
          message_id: instruction === undefined ? message?.id : undefined,
          continues: from || undefined,
        });
        await navigate({ search: {}, replace: true });
      }
      setText('');
      await queries.invalidateQueries({ queryKey: ['task', task.id] });
    },
  });
  return (
    <form
      className={styles.followUp}
      onSubmit={event => {
        event.preventDefault();
        submit.mutate();
      }}
    >
      <Textarea
        label={t('followUp.label')}
        description={working ? t('followUp.sendHint') : t('followUp.startHint')}
        value={text}
        maxLength={INSTRUCTION_MAX_CHARS}
        autosize={false}
        rows={3}
        onChange={event => setText(event.currentTarget.value)}
        onKeyDown={event => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            event.currentTarget.form?.requestSubmit();
          }
        }}
      />
      {!working && (
        <>
          <ContinueFrom runs={runs} value={from} onChange={setFrom} />
          <AgentPicker chosen={agents} onChange={setChosen} />
        </>
      )}
      {submit.error !== null && <Problem error={submit.error} />}
      <Button
        type="submit"
        loading={submit.isPending}
        disabled={working ? text.trim() === '' : agents.length === 0}
        leftSection={<Icon name={working ? 'send' : 'play'} size={16} />}
      >
        {working
          ? t('followUp.send')
          : agents.length === 0
            ? t('followUp.startPlain')
            : t('followUp.start', { count: agents.length })}
      </Button>
    </form>
  );
}

function ContinueFrom(props: {
  runs: readonly Run[];
  value: string;
  onChange: (runId: string) => void;
}) {
  const { t } = useTranslation('tasks');
  const known = useQuery(agentsQuery).data?.data ?? [];
  const withWork = props.runs.filter(run => run.head_commit !== null);
  if (withWork.length === 0) return null;
  return (
    <NativeSelect
      label={t('followUp.continues')}
      value={props.value}
      onChange={event => props.onChange(event.currentTarget.value)}
      data={[
        { value: '', label: t('followUp.fresh') },
        ...withWork.map(run => ({
          value: run.id,
          label: [
            agentTitle(known, run.agent),
            `+${run.insertions} −${run.deletions}`,
            ...(run.picked ? [t('picked')] : []),
          ].join(' · '),
        })),
      ]}
    />
  );
}
