import type { NewRepo } from '@holdfast/protocol';
import { TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { consoleQuery } from '../app/queries.ts';
import { client } from '../app/services.ts';
import { Dialog } from '../ui/dialog.tsx';
import { DialogForm } from '../ui/dialog-form.tsx';
import { useNotify } from '../ui/use-notify.tsx';
import { useSaving } from '../ui/use-saving.ts';
import { RepoInputs } from './repo-fields.tsx';

/** An address with a scheme, or `user@host:path`; anything else is a folder. */
const ADDRESS = /^([a-z][a-z0-9+.-]*:\/\/|[^/\s]+@[^/\s]+:)/i;

/** Adds a repository by address or, in local mode, by folder. */
export function AddRepoDialog(props: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation('tasks');
  return (
    <Dialog opened={props.opened} onClose={props.onClose} title={t('addRepo.title')}>
      <Form onClose={props.onClose} />
    </Dialog>
  );
}

const EMPTY = { where: '', name: '', branch: '', test: '' };

function Form({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('tasks');
  const queries = useQueryClient();
  const notify = useNotify();
  const local = useQuery(consoleQuery).data?.mode === 'local';
  const [fields, setFields] = useState(EMPTY);
  const saving = useSaving(async () => {
    const { name } = await client.repos.create(repoOf(fields));
    await queries.invalidateQueries({ queryKey: ['repos'] });
    notify.done(t('addRepo.done', { name }));
    onClose();
  });
  const change = (next: Partial<typeof EMPTY>) => setFields(now => ({ ...now, ...next }));
  return (
    <DialogForm
      saving={saving}
      submit={t('addRepo.button')}
      complete={fields.where.trim() !== ''}
      onCancel={onClose}
    >
      <TextInput
        label={t('addRepo.where')}
        description={local ? t('addRepo.whereLocal') : t('addRepo.whereHint')}
        placeholder="https://git.example.com/team/project.git"
        required
        data-autofocus
        value={fields.where}
        onChange={event => change({ where: event.currentTarget.value })}
      />
      <RepoInputs
        fields={fields}
        required={{}}
        hints={{
          name: t('addRepo.nameHint'),
          branch: t('addRepo.branchHint'),
          test: t('addRepo.testHint'),
        }}
        onChange={change}
      />
    </DialogForm>
  );
}

function repoOf(fields: typeof EMPTY): NewRepo {
  const where = fields.where.trim();
  const given = (value: string) => value.trim() || undefined;
  return {
    ...(ADDRESS.test(where) ? { url: where } : { path: where }),
    name: given(fields.name),
    default_branch: given(fields.branch),
    test_command: given(fields.test),
  };
}
