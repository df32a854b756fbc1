import type { Repo } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { meQuery } from '../app/queries.ts';
import { reposQuery, tasksQuery } from '../app/run-queries.ts';
import type { TasksSearch } from '../app/search.ts';
import { useShortcut } from '../shell/shortcuts.ts';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Empty, Page } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import typography from '../ui/typography.module.css';
import { AddRepoDialog } from './add-repo-dialog.tsx';
import { fits } from './board.ts';
import { NewTaskDialog } from './new-task-dialog.tsx';
import { Board } from './task-board.tsx';
import { TaskFilters } from './task-filters.tsx';
import { TasksEmpty } from './tasks-empty.tsx';

type Asked = 'task' | 'repo' | null;

/** All tasks of the project on a board; the first step where there are none. */
export function TasksPage() {
  const { t } = useTranslation('tasks');
  const [asked, setAsked] = useState<Asked>(null);
  const me = useQuery(meQuery).data;
  const repos = useQuery(reposQuery);
  const mayWrite = me !== undefined && me.role !== 'Viewer';
  const known = repos.data?.data ?? [];
  useShortcut('n', () => mayWrite && setAsked(known.length > 0 ? 'task' : 'repo'));
  return (
    <Page
      title={t('title')}
      actions={
        mayWrite && (
          <>
            <Button
              component={Link}
              to="/tasks/repos"
              variant="default"
              leftSection={<Icon name="folder" size={18} />}
            >
              {t('repos.title')}
            </Button>
            {known.length > 0 && (
              <Button onClick={() => setAsked('task')} leftSection={<Icon name="plus" />}>
                {t('newTask.button')}
              </Button>
            )}
          </>
        )
      }
    >
      {repos.error && <Problem error={repos.error} onRetry={() => void repos.refetch()} />}
      <Tasks repos={known} ready={repos.isSuccess} onAsk={setAsked} mayWrite={mayWrite} />
      <NewTaskDialog opened={asked === 'task'} repos={known} onClose={() => setAsked(null)} />
      <AddRepoDialog opened={asked === 'repo'} onClose={() => setAsked(null)} />
    </Page>
  );
}

function Tasks(props: {
  repos: readonly Repo[];
  ready: boolean;
  mayWrite: boolean;
  onAsk: (asked: Asked) => void;
}) {
  const { repos } = props;
  const { t } = useTranslation('tasks');
  const search = useSearch({ from: '/tasks' });
  const navigate = useNavigate({ from: '/tasks' });
  const list = useInfiniteQuery(tasksQuery);
  const byId = useMemo(() => new Map(repos.map(repo => [repo.id, repo])), [repos]);
  if (list.error && !list.data) {
    return <Problem error={list.error} onRetry={() => void list.refetch()} />;
  }
  if (!list.data || !props.ready) return <Placeholder size="list" />;
  const loaded = list.data.pages.flatMap(page => page.data);
  if (loaded.length === 0) return <TasksEmpty {...props} />;
  const change = (next: Partial<TasksSearch>) =>
    void navigate({ search: now => ({ ...now, focus: undefined, ...next }), replace: true });
  const shown = loaded.filter(task => fits(task, byId, search));
  const narrowed = search.q !== undefined || search.repo !== undefined;
  return (
    <>
      <TaskFilters search={search} repos={repos} onChange={change} />
      {shown.length === 0 && narrowed ? (
        <Empty title={t('noMatch')}>{t('noMatchHint')}</Empty>
      ) : (
        <Board tasks={shown} repos={byId} withArchived={search.archived ?? false} />
      )}
      {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      {list.hasNextPage && (
        <div className={layout.more}>
          <span className={`${typography.soft} ${typography.num}`}>
            {t('loaded', { count: loaded.length })}
          </span>
          <Button
            variant="default"
            loading={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            {t('more')}
          </Button>
        </div>
      )}
    </>
  );
}
