import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { agentsQuery, runQuery, taskQuery } from '../app/run-queries.ts';
import typography from '../ui/typography.module.css';
import { agentTitle } from './agents.ts';
import { RunBadge } from './run-badge.tsx';
import styles from './run-link.module.css';

/** A run by what it is about: task and agent, with its state; a link to it. */
export function RunLink({ runId }: { runId: string }) {
  const { t } = useTranslation('tasks');
  const run = useQuery(runQuery(runId)).data;
  const task = useQuery({ ...taskQuery(run?.task_id ?? ''), enabled: run !== undefined }).data;
  const agents = useQuery(agentsQuery).data?.data ?? [];
  if (run === undefined) return <code>{runId}</code>;
  return (
    <span className={styles.link}>
      <RunBadge status={run.status} />
      <Link
        to="/tasks/$id"
        params={{ id: run.task_id }}
        search={{ run: run.id, message: run.message_id }}
        className={typography.strongLink}
      >
        {task?.title ?? t('one')}
      </Link>
      <span className={typography.soft}>{agentTitle(agents, run.agent)}</span>
    </span>
  );
}
