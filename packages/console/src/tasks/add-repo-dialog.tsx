import type { NewRepo } from '@holdfast/protocol';
import { Button, Group, Modal, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { consoleQuery } from '../app/queries.ts';
import { client } from '../app/services.ts';
import { Problem } from '../ui/problem.tsx';
import { useAnnounce } from '../ui/use-announce.tsx';
import { RepoInputs } from './repo-fields.tsx';

/** An address with a scheme, or `user@host:path`; anything else is a folder. */
const ADDRESS = /^([a-z][a-z0-9+.-]*:\/\/|[^/\s]+@[^/\s]+:)/i;

/** Makes a repository known, by address or, on a server of one's own, by folder. */
export function AddRepoDialog(props: { opened: boolean; onClose: () => void }) {
  const { t } = useTranslation('tasks');
  const ui = useTranslation('ui').t;
  return (
    <Modal
      opened={props.opened}
      onClose={props.onClose}
      title={t('addRepo.title')}
      centered
      closeButtonProps={{ 'aria-label': ui('close') }}
    >
      <Form onClose={props.onClose} />
    </Modal>
  );
}

const EMPTY = { where: '', name: '', branch: '', test: '' };

function Form({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('tasks');
  const ui = useTranslation('ui').t;
  const queries = useQueryClient();
  const announce = useAnnounce();
  const local = useQuery(consoleQuery).data?.mode === 'local';
  const [fields, setFields] = useState(EMPTY);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const { name } = await client.repos.create(repoOf(fields));
      await queries.invalidateQueries({ queryKey: ['repos'] });
      announce(t('addRepo.done', { name }));
      onClose();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  const change = (next: Partial<typeof EMPTY>) => setFields(now => ({ ...now, ...next }));
  return (
    <form className="hf-form" onSubmit={event => void submit(event)}>
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
      {error !== null && <Problem error={error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          {ui('cancel')}
        </Button>
        <Button type="submit" loading={busy} disabled={fields.where.trim() === ''}>
          {t('addRepo.button')}
        </Button>
      </Group>
    </form>
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
