import type { QueueInfo } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { meQuery } from '../app/queries.ts';
import { client } from '../app/services.ts';
import { RunLink } from '../tasks/run-link.tsx';
import { Icon } from '../ui/icons.tsx';
import { Section } from '../ui/page.tsx';
import { Problem } from '../ui/problem.tsx';
import { useAnnounce } from '../ui/use-announce.tsx';
import { When } from '../ui/when.tsx';

const ALL = 'all';

/** Jobs that were given up, and the way back into the queue for Admins. */
export function DeadLetters({ letters }: { letters: QueueInfo['dead_letters'] }) {
  const { t } = useTranslation('queue');
  const admin = useQuery(meQuery).data?.role === 'Admin';
  const { redrive, busy, error } = useRedrive();
  const all = admin && letters.length > 1 && (
    <Button
      size="xs"
      variant="default"
      leftSection={<Icon name="retry" size={16} />}
      loading={busy === ALL}
      onClick={() => void redrive()}
    >
      {t('redriveAll')}
    </Button>
  );
  return (
    <Section title={t('deadLetters')} id="dead" actions={all}>
      {error !== null && <Problem error={error} />}
      {letters.length === 0 ? (
        <p className="hf-nothing">
          <Icon name="check" /> {t('noDead')}
        </p>
      ) : (
        <>
          <p className="hf-soft">{t('deadHint')}</p>
          <table className="hf-table hf-cards">
            <thead>
              <tr>
                <th scope="col">{t('run')}</th>
                <th scope="col">{t('failedAt')}</th>
                {admin && <th scope="col">{t('do')}</th>}
              </tr>
            </thead>
            <tbody>
              {letters.map(letter => (
                <tr key={letter.job_id}>
                  <td>{letter.run_id === null ? t('noRun') : <RunLink runId={letter.run_id} />}</td>
                  <td>
                    {letter.failed_at === null ? t('unknown') : <When at={letter.failed_at} />}
                  </td>
                  {admin && (
                    <td>
                      <Button
                        size="xs"
                        variant="default"
                        loading={busy === letter.job_id}
                        aria-label={t('redriveOne', { id: letter.job_id })}
                        onClick={() => void redrive(letter.job_id)}
                      >
                        {t('redrive')}
                      </Button>
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </>
      )}
    </Section>
  );
}

function useRedrive() {
  const { t } = useTranslation('queue');
  const queries = useQueryClient();
  const announce = useAnnounce();
  const [busy, setBusy] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const redrive = async (jobId?: string) => {
    setBusy(jobId ?? ALL);
    setError(null);
    try {
      announce(t('redriven', { count: await client.queue.redrive(jobId) }));
      await queries.invalidateQueries({ queryKey: ['queue'] });
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(null);
    }
  };
  return { redrive, busy, error };
}
