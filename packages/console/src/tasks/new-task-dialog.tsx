import type { Repo } from '@holdfast/protocol';
import { NativeSelect, Textarea, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { agentsQuery } from '../app/run-queries.ts';
import { visible } from '../text/visible.ts';
import { Dialog } from '../ui/dialog.tsx';
import { DialogForm } from '../ui/dialog-form.tsx';
import { AgentPicker } from './agent-picker.tsx';
import { defaultAgents } from './agents.ts';
import { useCreateTask } from './use-create-task.ts';

/** The server's limits. */
const TITLE_MAX_CHARS = 200;
const INSTRUCTION_MAX_CHARS = 48_000;

/** A new task: repository, instruction and agents. */
export function NewTaskDialog(props: {
  opened: boolean;
  repos: readonly Repo[];
  onClose: () => void;
}) {
  const { t } = useTranslation('tasks');
  return (
    <Dialog opened={props.opened} onClose={props.onClose} title={t('newTask.title')} size="lg">
      <Form {...props} />
    </Dialog>
  );
}

function Form({ repos, onClose }: { repos: readonly Repo[]; onClose: () => void }) {
  const { t } = useTranslation('tasks');
  const known = useQuery(agentsQuery).data?.data ?? [];
  const { create, busy, error, saved } = useCreateTask();
  const [repoId, setRepoId] = useState(repos[0]?.id ?? '');
  const [title, setTitle] = useState('');
  const [instruction, setInstruction] = useState('');
  const [chosen, setChosen] = useState<string[] | null>(null);
  const agents = chosen ?? defaultAgents(known);
  const complete = repoId !== '' && title.trim() !== '' && instruction.trim() !== '';
  const save = async () => {
    if (await create({ repo_id: repoId, title, instruction, agents })) onClose();
  };
  return (
    <DialogForm
      saving={{ busy, error, save }}
      saved={saved ? t('newTask.saved') : ''}
      submit={
        agents.length === 0 ? t('newTask.save') : t('newTask.start', { count: agents.length })
      }
      complete={complete}
      onCancel={onClose}
    >
      <NativeSelect
        label={t('repo')}
        value={repoId}
        onChange={event => setRepoId(event.currentTarget.value)}
        data={repos.map(repo => ({ value: repo.id, label: visible(repo.name) }))}
      />
      <TextInput
        label={t('newTask.name')}
        value={title}
        maxLength={TITLE_MAX_CHARS}
        required
        data-autofocus
        onChange={event => setTitle(event.currentTarget.value)}
      />
      <Textarea
        label={t('newTask.instruction')}
        description={t('newTask.instructionHint')}
        value={instruction}
        maxLength={INSTRUCTION_MAX_CHARS}
        required
        rows={5}
        onChange={event => setInstruction(event.currentTarget.value)}
      />
      <AgentPicker chosen={agents} onChange={setChosen} />
    </DialogForm>
  );
}
