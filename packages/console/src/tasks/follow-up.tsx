import type { Run } from '@holdfast/protocol';
import { Button, NativeSelect, Textarea } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
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

/** While somebody works a message goes to them; otherwise it starts the next runs. */
export function FollowUp(props: TaskParts) {
  const { t } = useTranslation('tasks');
  const working = props.runs.some(run => !isOver(run.status));
  const form = useFollowUp(props, working);
  return (
    <form className={styles.followUp} onSubmit={event => void form.submit(event)}>
      <Textarea
        label={t('followUp.label')}
        description={working ? t('followUp.sendHint') : t('followUp.startHint')}
        value={form.text}
        maxLength={INSTRUCTION_MAX_CHARS}
        autosize={false}
        rows={3}
        onChange={event => form.setText(event.currentTarget.value)}
        onKeyDown={event => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            event.currentTarget.form?.requestSubmit();
          }
        }}
      />
      {!working && (
        <>
          <ContinueFrom runs={props.runs} value={form.from} onChange={form.setFrom} />
          <AgentPicker chosen={form.agents} onChange={form.setAgents} />
        </>
      )}
      {form.error !== null && <Problem error={form.error} />}
      <Button
        type="submit"
        loading={form.busy}
        disabled={working ? form.text.trim() === '' : form.agents.length === 0}
        leftSection={<Icon name={working ? 'send' : 'play'} size={16} />}
      >
        {working
          ? t('followUp.send')
          : form.agents.length === 0
            ? t('followUp.startPlain')
            : t('followUp.start', { count: form.agents.length })}
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

function useFollowUp({ task, runs, message }: TaskParts, working: boolean) {
  const { t } = useTranslation('tasks');
  const known = useQuery(agentsQuery).data?.data ?? [];
  const queries = useQueryClient();
  const notify = useNotify();
  const navigate = useNavigate({ from: '/tasks/$id' });
  const [text, setText] = useState('');
  const [chosen, setAgents] = useState<string[] | null>(null);
  const [fromChosen, setFrom] = useState<string | null>(null);
  const [state, setState] = useState({ busy: false, error: null as unknown });
  const before = runs.filter(run => run.message_id === message?.id).map(run => run.agent);
  const agents = chosen ?? (before.length > 0 ? [...new Set(before)] : defaultAgents(known));
  const from = fromChosen ?? runs.find(run => run.picked)?.id ?? '';
  const act = async () => {
    const instruction = text.trim() || undefined;
    if (working) {
      await client.tasks.addMessage(task.id, { instruction: instruction! });
      return notify.done(t('followUp.sent'));
    }
    await client.tasks.start(task.id, {
      agents,
      instruction,
      message_id: instruction === undefined ? message?.id : undefined,
      continues: from || undefined,
    });
    await navigate({ search: {}, replace: true });
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setState({ busy: true, error: null });
    try {
      await act();
      setText('');
      await queries.invalidateQueries({ queryKey: ['task', task.id] });
      setState({ busy: false, error: null });
    } catch (error) {
      setState({ busy: false, error });
    }
  };
  return { text, setText, agents, setAgents, from, setFrom, submit, ...state };
}
