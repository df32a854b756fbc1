import type { Repo } from '@holdfast/protocol';
import { Button, Group, Modal } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { Problem } from '../ui/problem.tsx';
import { useAnnounce } from '../ui/use-announce.tsx';
import { RepoInputs } from './repo-fields.tsx';
import { fieldsOf, isComplete, patchOf } from './repo-patch.ts';

/** Changes what a repository is called and how it is worked on; its address stays. */
export function EditRepoDialog({ repo, onClose }: { repo: Repo | null; onClose: () => void }) {
  const { t } = useTranslation('tasks');
  const ui = useTranslation('ui').t;
  return (
    <Modal
      opened={repo !== null}
      onClose={onClose}
      title={t('editRepo.title', { name: repo?.name ?? '' })}
      centered
      closeButtonProps={{ 'aria-label': ui('close') }}
    >
      {repo && <Form repo={repo} onClose={onClose} />}
    </Modal>
  );
}

function Form({ repo, onClose }: { repo: Repo; onClose: () => void }) {
  const { t } = useTranslation('tasks');
  const ui = useTranslation('ui').t;
  const queries = useQueryClient();
  const announce = useAnnounce();
  const [fields, setFields] = useState(() => fieldsOf(repo));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const { name } = await client.repos.update(repo.id, patchOf(fields, repo));
      await queries.invalidateQueries({ queryKey: ['repos'] });
      announce(t('editRepo.done', { name }));
      onClose();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  return (
    <form className="hf-form" onSubmit={event => void submit(event)}>
      <p className="hf-soft hf-repo-where">{repo.url ?? repo.path}</p>
      <RepoInputs
        fields={fields}
        required={{ name: true, branch: repo.default_branch !== null }}
        hints={{
          branch: repo.default_branch === null ? t('addRepo.branchHint') : t('editRepo.branchHint'),
          test: t('editRepo.testHint'),
        }}
        onChange={change => setFields(now => ({ ...now, ...change }))}
      />
      {error !== null && <Problem error={error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          {ui('cancel')}
        </Button>
        <Button type="submit" loading={busy} disabled={!isComplete(fields, repo)}>
          {t('editRepo.save')}
        </Button>
      </Group>
    </form>
  );
}
