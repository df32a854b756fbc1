import type { Session } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { sessionsQuery } from '../app/queries.ts';
import type { ListSearch } from '../app/search.ts';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Empty, Page } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import typography from '../ui/typography.module.css';
import { matches } from './matches.ts';
import { SessionFilters } from './session-filters.tsx';
import { SessionTable } from './session-table.tsx';

/** All sessions of the project, newest first, page by page. */
export function SessionsPage() {
  const { t } = useTranslation('sessions');
  const search = useSearch({ from: '/sessions' });
  const navigate = useNavigate({ from: '/sessions' });
  const list = useInfiniteQuery(
    sessionsQuery({ state: search.state, created_by: search.mine ? 'me' : undefined }),
  );
  const loaded = list.data?.pages.flatMap(page => page.data) ?? [];
  const shown = loaded.filter(session => matches(session, search.q ?? ''));
  const change = (next: Partial<ListSearch>) =>
    void navigate({ search: now => ({ ...now, focus: undefined, ...next }), replace: true });
  return (
    <Page title={t('title')}>
      <div className={layout.card}>
        <SessionFilters search={search} onChange={change} />
        {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
        {list.isPending && <Placeholder size="list" />}
        {list.isSuccess && <Found sessions={shown} search={search} />}
        <div className={layout.more}>
          {list.isSuccess && (
            <span className={`${typography.soft} ${typography.num}`} role="status">
              {t('count', { shown: shown.length, loaded: loaded.length })}
            </span>
          )}
          {list.hasNextPage && (
            <Button
              variant="default"
              loading={list.isFetchingNextPage}
              onClick={() => void list.fetchNextPage()}
            >
              {t('more')}
            </Button>
          )}
        </div>
      </div>
    </Page>
  );
}

function Found({ sessions, search }: { sessions: readonly Session[]; search: ListSearch }) {
  const { t } = useTranslation('sessions');
  if (sessions.length > 0) return <SessionTable sessions={sessions} />;
  const narrowed = Boolean(search.q || search.state || search.mine);
  if (narrowed) return <Empty title={t('noMatch')}>{t('noMatchHint')}</Empty>;
  return (
    <Empty
      title={t('empty')}
      action={
        <Button component={Link} to="/voice" leftSection={<Icon name="mic" />}>
          {t('start')}
        </Button>
      }
    >
      {t('emptyHint')}
    </Empty>
  );
}
