import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { auditQuery } from '../app/queries.ts';
import layout from '../ui/layout.module.css';
import { Section } from '../ui/page.tsx';
import { Problem } from '../ui/problem.tsx';
import { State } from '../ui/state.tsx';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { When } from '../ui/when.tsx';

/** What Admins did, and which requests were refused. */
export function Audit() {
  const { t } = useTranslation('settings');
  const audit = useInfiniteQuery(auditQuery);
  const entries = audit.data?.pages.flatMap(page => page.data) ?? [];
  const columns = ['at', 'principal', 'action', 'target', 'outcome'] as const;
  return (
    <Section title={t('audit.title')} id="audit">
      {audit.error && <Problem error={audit.error} onRetry={() => void audit.refetch()} />}
      {audit.isSuccess && entries.length === 0 && (
        <p className={typography.soft}>{t('audit.none')}</p>
      )}
      {entries.length > 0 && (
        <table className={`${tables.table} ${tables.cards}`}>
          <thead>
            <tr>
              {columns.map(column => (
                <th key={column} scope="col">
                  {t(`audit.column.${column}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {entries.map(entry => (
              <tr key={entry.id}>
                <td>
                  <When at={entry.at} />
                </td>
                <td data-label={t('audit.column.principal')}>{entry.principal}</td>
                <td data-label={t('audit.column.action')}>
                  <code>{entry.action}</code>
                </td>
                <td data-label={t('audit.column.target')} className={tables.cut}>
                  {entry.target ?? '—'}
                </td>
                <td data-label={t('audit.column.outcome')}>
                  <State
                    tone={entry.outcome === 'allowed' ? undefined : 'bad'}
                    mark={entry.outcome === 'allowed' ? '✓' : '✕'}
                  >
                    {t(`audit.${entry.outcome}`)}
                  </State>{' '}
                  {entry.reason && <span className={typography.soft}>{entry.reason}</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {audit.hasNextPage && (
        <div className={layout.more}>
          <Button
            variant="default"
            size="xs"
            loading={audit.isFetchingNextPage}
            onClick={() => void audit.fetchNextPage()}
          >
            {t('audit.more')}
          </Button>
        </div>
      )}
    </Section>
  );
}
