import type { Message, Run } from '@holdfast/protocol';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { agentsQuery } from '../app/run-queries.ts';
import layout from '../ui/layout.module.css';
import { Section } from '../ui/page.tsx';
import typography from '../ui/typography.module.css';
import { When } from '../ui/when.tsx';
import { agentTitle } from './agents.ts';
import styles from './conversation.module.css';
import { FollowUp } from './follow-up.tsx';
import { RunMark } from './run-badge.tsx';
import type { TaskParts } from './task-parts.ts';

/** The messages of a task, each with the runs that it started. */
export function Conversation(props: TaskParts) {
  const { t } = useTranslation('tasks');
  const { messages, runs, message: shown } = props;
  return (
    <div className={styles.conversation}>
      <Section title={t('conversation.title')} id="conversation">
        <ol className={layout.plain}>
          {messages.map(message => (
            <MessageRow
              key={message.id}
              message={message}
              runs={runs.filter(run => run.message_id === message.id)}
              shown={message.id === shown?.id}
            />
          ))}
        </ol>
        {props.own && <FollowUp {...props} />}
      </Section>
    </div>
  );
}

function MessageRow(props: { message: Message; runs: readonly Run[]; shown: boolean }) {
  const { message, runs, shown } = props;
  const { t } = useTranslation('tasks');
  const agents = useQuery(agentsQuery).data?.data ?? [];
  return (
    <li
      className={styles.message}
      data-shown={shown || undefined}
      aria-current={shown || undefined}
    >
      <p className={styles.messageHead}>
        <strong>{t('conversation.message', { number: message.number })}</strong>
        <span className={typography.soft}>{message.created_by}</span>
        <span className={`${typography.soft} ${layout.push}`}>
          <When at={message.created_at} />
        </span>
      </p>
      <p className={styles.messageText}>
        {message.instruction ?? <em className={typography.soft}>{t('conversation.hidden')}</em>}
      </p>
      {runs.length === 0 ? (
        <p className={`${typography.soft} ${typography.small}`}>{t('conversation.noRuns')}</p>
      ) : (
        <Link
          from="/tasks/$id"
          to="/tasks/$id"
          search={{ message: message.id }}
          replace
          resetScroll={false}
          className={styles.messageRuns}
        >
          <span className={typography.visuallyHidden}>
            {t('conversation.show', { number: message.number })}
          </span>
          {runs.map(run => (
            <span key={run.id}>
              <RunMark status={run.status} /> {agentTitle(agents, run.agent)}
            </span>
          ))}
        </Link>
      )}
    </li>
  );
}
