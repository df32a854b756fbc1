import type { QueueInfo } from '@holdfast/protocol';
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { meQuery } from '../app/queries.ts';
import { client } from '../app/services.ts';
import { RunLink } from '../tasks/run-link.tsx';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Section } from '../ui/page.tsx';
import { Problem } from '../ui/problem.tsx';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { useNotify } from '../ui/use-notify.tsx';
import { When } from '../ui/when.tsx';

/** Jobs that failed after every retry; Admins can put them back into their queue. */
export function DeadLetters({ letters }: { letters: QueueInfo['dead_letters'] }) {
  const { t } = useTranslation('queue');
  const admin = useQuery(meQuery).data?.role === 'Admin';
  const queries = useQueryClient();
  const notify = useNotify();
  const redrive = useMutation({
    mutationFn: (letter: { jobId: string | undefined }) => client.queue.redrive(letter.jobId),
    onSuccess: async count => {
      notify.done(t('redriven', { count }));
      await queries.invalidateQueries({ queryKey: ['queue'] });
    },
  });
  const all = admin && letters.length > 1 && (
    <Button
      size="xs"
      variant="default"
      leftSection={<Icon name="retry" size={16} />}
      loading={redrive.isPending && redrive.variables.jobId === undefined}
      onClick={() => redrive.mutate({ jobId: undefined })}
    >
      {t('redriveAll')}
    </Button>
  );
  return (
    <Section title={t('deadLetters')} id="dead" actions={all}>
      {redrive.error !== null && <Problem error={redrive.error} />}
      {letters.length === 0 ? (
        <p className={layout.nothing}>
          <Icon name="check" /> {t('noDead')}
        </p>
      ) : (
        <>
          <p className={typography.soft}>{t('deadHint')}</p>
          <table className={`${tables.table} ${tables.cards}`}>
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
                        loading={redrive.isPending && redrive.variables.jobId === letter.job_id}
                        aria-label={t('redriveOne', { id: letter.job_id })}
                        onClick={() => redrive.mutate({ jobId: letter.job_id })}
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
