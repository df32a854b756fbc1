import type { Me, Repo } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { meQuery } from '../app/queries.ts';
import { reposQuery } from '../app/run-queries.ts';
import { client } from '../app/services.ts';
import { Confirm } from '../ui/confirm.tsx';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Empty, Page } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import { useNotify } from '../ui/use-notify.tsx';
import { AddRepoDialog } from './add-repo-dialog.tsx';
import { EditRepoDialog } from './edit-repo-dialog.tsx';
import { mayControl } from './moves.ts';
import { RepoTable } from './repo-table.tsx';

/**
 * The repositories that agents can work on. Developers add them; their creators and Admins change
 * and archive them.
 */
export function ReposPage() {
  const { t } = useTranslation('tasks');
  const me = useQuery(meQuery).data;
  const mayWrite = me !== undefined && me.role !== 'Viewer';
  const [adding, setAdding] = useState(false);
  return (
    <>
      <Link to="/tasks" className={layout.back}>
        <Icon name="back" size={16} /> {t('back')}
      </Link>
      <Page
        title={t('repos.title')}
        actions={
          mayWrite && (
            <Button onClick={() => setAdding(true)} leftSection={<Icon name="plus" />}>
              {t('addRepo.button')}
            </Button>
          )
        }
      >
        <Repos me={me} />
        <AddRepoDialog opened={adding} onClose={() => setAdding(false)} />
      </Page>
    </>
  );
}

function Repos({ me }: { me: Me | undefined }) {
  const { t } = useTranslation('tasks');
  const repos = useQuery(reposQuery);
  const [edited, setEdited] = useState<Repo | null>(null);
  const [doomed, setDoomed] = useState<Repo | null>(null);
  if (repos.error) return <Problem error={repos.error} onRetry={() => void repos.refetch()} />;
  if (!repos.data)
    return (
      <div className={layout.card}>
        <Placeholder size="list" />
      </div>
    );
  return (
    <section className={layout.card} aria-label={t('repos.title')}>
      {repos.data.data.length === 0 ? (
        <Empty title={t('repos.none')}>{t('empty.repo')}</Empty>
      ) : (
        <RepoTable
          repos={repos.data.data}
          mayChange={repo => mayControl(me, repo)}
          onEdit={setEdited}
          onArchive={setDoomed}
        />
      )}
      <EditRepoDialog repo={edited} onClose={() => setEdited(null)} />
      <ArchiveRepo repo={doomed} onClose={() => setDoomed(null)} />
    </section>
  );
}

function ArchiveRepo({ repo, onClose }: { repo: Repo | null; onClose: () => void }) {
  const { t } = useTranslation('tasks');
  const queries = useQueryClient();
  const notify = useNotify();
  const name = repo?.name ?? '';
  const archive = async () => {
    if (repo) await client.repos.archive(repo.id);
    notify.done(t('repos.archived', { name }));
    await queries.invalidateQueries({ queryKey: ['repos'] });
  };
  return (
    <Confirm
      opened={repo !== null}
      title={t('repos.confirmTitle')}
      text={t('repos.confirmText', { name })}
      confirm={t('repos.archive')}
      onConfirm={archive}
      onClose={onClose}
    />
  );
}
