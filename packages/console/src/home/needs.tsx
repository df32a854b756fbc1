import type { Session } from '@holdfast/protocol';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { apiKeysQuery, meQuery } from '../app/queries.ts';
import { failedRunsQuery } from '../app/run-queries.ts';
import { uploads } from '../app/services.ts';
import { RunLink } from '../tasks/run-link.tsx';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Section } from '../ui/page.tsx';
import typography from '../ui/typography.module.css';
import { When } from '../ui/when.tsx';
import styles from './home.module.css';
import { expiringKeys, recentFailedRuns, recentFailures } from './needs.ts';

/** What needs a person: failed uploads, sessions and runs, and keys about to expire. */
export function Needs({ recent }: { recent: readonly Session[] }) {
  const { t } = useTranslation('home');
  const me = useQuery(meQuery);
  const keys = useQuery({ ...apiKeysQuery, enabled: me.data?.role === 'Admin' });
  const kept = useSyncExternalStore(
    listener => uploads.subscribe(listener),
    () => uploads.snapshot,
  ).filter(upload => upload.state === 'failed');
  const failed = recentFailures(recent, Date.now());
  const runs = useQuery(failedRunsQuery).data?.data ?? [];
  const failedRuns = recentFailedRuns(runs, Date.now());
  const expiring = expiringKeys(keys.data?.data ?? [], Date.now());
  const nothing = kept.length + failed.length + failedRuns.length + expiring.length === 0;
  return (
    <Section title={t('needs.title')} id="needs">
      {nothing && (
        <p className={layout.nothing}>
          <Icon name="check" /> {t('needs.nothing')}
        </p>
      )}
      <ul className={`${layout.plain} ${styles.needs}`}>
        {kept.length > 0 && (
          <li>
            <Icon name="upload" />
            <Link to="/voice" hash="uploads">
              {t('needs.uploads', { count: kept.length })}
            </Link>
          </li>
        )}
        {failed.map(session => (
          <li key={session.id}>
            <Icon name="alert" />
            <Link to="/sessions/$id" params={{ id: session.id }}>
              {t('needs.failed', { model: session.model })}
            </Link>
            <span className={`${typography.soft} ${layout.push}`}>
              <When at={session.ended_at ?? session.created_at} />
            </span>
          </li>
        ))}
        {failedRuns.map(run => (
          <li key={run.id}>
            <Icon name="alert" />
            <RunLink runId={run.id} />
            <span className={`${typography.soft} ${layout.push}`}>
              <When at={run.finished_at ?? run.created_at} />
            </span>
          </li>
        ))}
        {expiring.map(key => (
          <li key={key.id}>
            <Icon name="key" />
            <Link to="/settings" hash="keys">
              {t('needs.key', { name: key.name })}
            </Link>
            <span className={`${typography.soft} ${layout.push}`}>
              <When at={key.expires_at!} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
