import '../sessions/sessions.css';
import './queue.css';
import type { QueueInfo } from '@holdfast/protocol';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { queueQuery } from '../app/run-queries.ts';
import { useFormats } from '../i18n/format.ts';
import { Empty, Page, Section } from '../ui/page.tsx';
import { Problem } from '../ui/problem.tsx';
import { DeadLetters } from './dead-letters.tsx';

/** Is there somebody to do the work, how much waits, and what was given up. */
export function QueuePage() {
  const { t } = useTranslation('queue');
  const queue = useQuery(queueQuery);
  return (
    <Page title={t('title')}>
      {queue.error && <Problem error={queue.error} onRetry={() => void queue.refetch()} />}
      {queue.isPending && <div className="hf-list-skeleton" />}
      {queue.data && (
        <div className="hf-stack">
          <div className="hf-two hf-two-even">
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
      <table className="hf-table">
        <thead>
          <tr>
            <th scope="col">{t('name')}</th>
            <th scope="col" className="hf-right">
              {t('queued')}
            </th>
            <th scope="col" className="hf-right">
              {t('active')}
            </th>
            <th scope="col" className="hf-right">
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
              <td className="hf-right hf-num">{formats.number(queue.queued)}</td>
              <td className="hf-right hf-num">{formats.number(queue.active)}</td>
              <td className="hf-right hf-num">{formats.number(queue.dead)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

/** A worker speaks every few seconds; one that has been silent this long is in trouble. */
const LATE_S = 30;

function Workers({ workers }: { workers: QueueInfo['workers'] }) {
  const { t } = useTranslation('queue');
  const formats = useFormats();
  return (
    <Section title={t('workers')} id="workers">
      {workers.length === 0 ? (
        <Empty title={t('noWorkers')}>{t('noWorkersHint')}</Empty>
      ) : (
        <table className="hf-table hf-workers">
          <thead>
            <tr>
              <th scope="col">{t('worker')}</th>
              <th scope="col">{t('revision')}</th>
              <th scope="col" className="hf-right">
                {t('running')}
              </th>
              <th scope="col" className="hf-right">
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
                <td className="hf-right hf-num">{formats.number(worker.running)}</td>
                <td className="hf-right hf-num">
                  {worker.since_heartbeat_s > LATE_S && (
                    <span className="hf-state hf-state-warn">
                      <span aria-hidden="true">◐</span> {t('late')}{' '}
                    </span>
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
