import type { Repo } from '@holdfast/protocol';
import { Checkbox } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { Dialog } from '../ui/dialog.tsx';
import { DialogForm } from '../ui/dialog-form.tsx';
import typography from '../ui/typography.module.css';
import { useNotify } from '../ui/use-notify.tsx';
import { useSaving } from '../ui/use-saving.ts';
import { RepoInputs } from './repo-fields.tsx';
import { fieldsOf, isComplete, patchOf } from './repo-patch.ts';
import shared from './tasks.module.css';

/** Changes a repository's name, default branch, test command and policy; its address stays. */
export function EditRepoDialog({ repo, onClose }: { repo: Repo | null; onClose: () => void }) {
  const { t } = useTranslation('tasks');
  return (
    <Dialog
      opened={repo !== null}
      onClose={onClose}
      title={t('editRepo.title', { name: repo?.name ?? '' })}
    >
      {repo && <Form repo={repo} onClose={onClose} />}
    </Dialog>
  );
}

function Form({ repo, onClose }: { repo: Repo; onClose: () => void }) {
  const { t } = useTranslation('tasks');
  const queries = useQueryClient();
  const notify = useNotify();
  const [fields, setFields] = useState(() => fieldsOf(repo));
  const saving = useSaving(async () => {
    const { name } = await client.repos.update(repo.id, patchOf(fields, repo));
    await queries.invalidateQueries({ queryKey: ['repos'] });
    notify.done(t('editRepo.done', { name }));
    onClose();
  });
  return (
    <DialogForm
      saving={saving}
      submit={t('editRepo.save')}
      complete={isComplete(fields, repo)}
      onCancel={onClose}
    >
      <p className={`${typography.soft} ${shared.repoWhere}`}>{repo.url ?? repo.path}</p>
      <RepoInputs
        fields={fields}
        required={{ name: true, branch: repo.default_branch !== null }}
        hints={{
          branch: repo.default_branch === null ? t('addRepo.branchHint') : t('editRepo.branchHint'),
          test: t('editRepo.testHint'),
        }}
        onChange={change => setFields(now => ({ ...now, ...change }))}
      />
      <Checkbox
        label={t('editRepo.ciChanges')}
        description={t('editRepo.ciChangesHint')}
        checked={fields.ciChanges}
        onChange={event => {
          const ciChanges = event.currentTarget.checked;
          setFields(now => ({ ...now, ciChanges }));
        }}
      />
    </DialogForm>
  );
}
