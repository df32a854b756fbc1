import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { healthQuery, liveSessionsQuery, recentSessionsQuery } from '../app/queries.ts';
import { runningRunsQuery } from '../app/run-queries.ts';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Empty, Page, Section } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import { FirstSteps } from './first-steps.tsx';
import { HealthList } from './health-list.tsx';
import styles from './home.module.css';
import { LiveRun } from './live-run.tsx';
import { LiveSession } from './live-session.tsx';
import { Needs } from './needs.tsx';
import { Recently } from './recently.tsx';

/** Health, live work and what needs attention; on a new server, the first steps. */
export function HomePage() {
  const { t } = useTranslation('home');
  const live = useQuery(liveSessionsQuery);
  const recent = useQuery(recentSessionsQuery);
  const running = useQuery(runningRunsQuery).data?.data ?? [];
  return (
    <Page
      title={t('title')}
      actions={
        <Button component={Link} to="/voice" leftSection={<Icon name="mic" />}>
          {t('talk')}
        </Button>
      }
    >
      <div className={styles.home}>
        <div className={layout.stack}>
          <FirstSteps />
          <Section title={t('live.title')} id="live">
            {live.error && <Problem error={live.error} onRetry={() => void live.refetch()} />}
            {live.isPending && <Placeholder size="row" />}
            {live.data?.data.length === 0 && running.length === 0 && (
              <Empty title={t('live.none')}>{t('live.what')}</Empty>
            )}
            <ul className={layout.plain}>
              {live.data?.data.map(session => (
                <LiveSession key={session.id} session={session} />
              ))}
              {running.map(run => (
                <LiveRun key={run.id} run={run} />
              ))}
            </ul>
          </Section>
          {recent.data && <Recently sessions={recent.data.data} />}
        </div>
        <div className={layout.stack}>
          <Needs recent={recent.data?.data ?? []} />
          <HealthSection />
        </div>
      </div>
    </Page>
  );
}

function HealthSection() {
  const { t } = useTranslation('home');
  const health = useQuery(healthQuery);
  return (
    <Section title={t('health.title')} id="health">
      {health.error && <Problem error={health.error} onRetry={() => void health.refetch()} />}
      {health.isPending && <Placeholder size="row" />}
      {health.data && <HealthList health={health.data} />}
    </Section>
  );
}
