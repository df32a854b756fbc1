import type { QueueInfo } from '@holdfast/protocol';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { queueQuery } from '../app/run-queries.ts';
import { useFormats } from '../i18n/format.ts';
import layout from '../ui/layout.module.css';
import { Empty, Page, Section } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import { State } from '../ui/state.tsx';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { DeadLetters } from './dead-letters.tsx';
import styles from './queue.module.css';

/** Queues, workers and dead letters. */
export function QueuePage() {
  const { t } = useTranslation('queue');
  const queue = useQuery(queueQuery);
  return (
    <Page title={t('title')}>
      {queue.error && <Problem error={queue.error} onRetry={() => void queue.refetch()} />}
      {queue.isPending && <Placeholder size="list" />}
      {queue.data && (
        <div className={layout.stack}>
          <div className={`${layout.two} ${layout.twoEven}`}>
            <Queues queues={queue.data.queues} />
            <Workers workers={queue.data.workers} />
          </div>
          <DeadLetters letters={queue.data.dead_letters} />
        </div>
      )}
    </Page>
  );
}

function Queues({ queues }: { queues: QueueInfo['queues'] }) {
  const { t, i18n } = useTranslation('queue');
  const formats = useFormats();
  return (
    <Section title={t('queues')} id="queues">
      <table className={tables.table}>
        <thead>
          <tr>
            <th scope="col">{t('name')}</th>
            <th scope="col" className={tables.right}>
              {t('queued')}
            </th>
            <th scope="col" className={tables.right}>
              {t('active')}
            </th>
            <th scope="col" className={tables.right}>
              {t('dead')}
            </th>
          </tr>
        </thead>
        <tbody>
          {queues.map(queue => (
            <tr key={queue.name}>
              <th scope="row">
                {i18n.exists(`queue:known.${queue.name}`)
                  ? t(`known.${queue.name}` as never)
                  : queue.name}
              </th>
              <td className={`${tables.right} ${typography.num}`}>
                {formats.number(queue.queued)}
              </td>
              <td className={`${tables.right} ${typography.num}`}>
                {formats.number(queue.active)}
              </td>
              <td className={`${tables.right} ${typography.num}`}>{formats.number(queue.dead)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

/** A worker sends a heartbeat every few seconds; one without for this long is marked as late. */
const LATE_S = 30;

function Workers({ workers }: { workers: QueueInfo['workers'] }) {
  const { t } = useTranslation('queue');
  const formats = useFormats();
  return (
    <Section title={t('workers')} id="workers">
      {workers.length === 0 ? (
        <Empty title={t('noWorkers')}>{t('noWorkersHint')}</Empty>
      ) : (
        <table className={`${tables.table} ${styles.workers}`}>
          <thead>
            <tr>
              <th scope="col">{t('worker')}</th>
              <th scope="col">{t('revision')}</th>
              <th scope="col" className={tables.right}>
                {t('running')}
              </th>
              <th scope="col" className={tables.right}>
                {t('heartbeat')}
              </th>
            </tr>
          </thead>
          <tbody>
            {workers.map(worker => (
              <tr key={worker.replica}>
                <th scope="row">
                  <code>{worker.replica}</code>
                </th>
                <td>{worker.revision}</td>
                <td className={`${tables.right} ${typography.num}`}>
                  {formats.number(worker.running)}
                </td>
                <td className={`${tables.right} ${typography.num}`}>
                  {worker.since_heartbeat_s > LATE_S && (
                    <State tone="warn" mark="◐">
                      {t('late')}
                    </State>
                  )}{' '}
                  {t('ago', { seconds: formats.number(Math.round(worker.since_heartbeat_s)) })}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  );
}
