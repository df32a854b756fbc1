import type { Message, Run, Task } from '@holdfast/protocol';
import { SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { meQuery } from '../app/queries.ts';
import { agentsQuery, messagesQuery, taskQuery, taskRunsQuery } from '../app/run-queries.ts';
import type { TaskSearch } from '../app/search.ts';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { Empty, Page } from '../ui/page.tsx';
import { Placeholder } from '../ui/placeholder.tsx';
import { Problem } from '../ui/problem.tsx';
import { agentTitle } from './agents.ts';
import { Compare } from './compare.tsx';
import { Conversation } from './conversation.tsx';
import { mayControl } from './moves.ts';
import { RunColumn } from './run-column.tsx';
import styles from './task.module.css';
import { TaskActions } from './task-actions.tsx';
import type { GoTo, TaskParts } from './task-parts.ts';
import { useAwaitEndings } from './use-await-endings.ts';

/** One task: the conversation on the left, its runs on the right. */
export function TaskPage() {
  const { id } = useParams({ from: '/tasks/$id' });
  const { t } = useTranslation('tasks');
  const task = useQuery(taskQuery(id));
  const messages = useQuery(messagesQuery(id));
  const runs = useQuery(taskRunsQuery(id));
  const error = task.error ?? messages.error ?? runs.error;
  return (
    <>
      <Link to="/tasks" className={layout.back}>
        <Icon name="back" size={16} /> {t('back')}
      </Link>
      {task.data && messages.data && runs.data ? (
        <Detail key={id} task={task.data} messages={messages.data} runs={runs.data} />
      ) : (
        <Page title={t('one')}>
          {error ? (
            <Problem error={error} onRetry={() => void task.refetch()} />
          ) : (
            <div className={layout.card}>
              <Placeholder size="list" />
            </div>
          )}
        </Page>
      )}
    </>
  );
}

function Detail(props: { task: Task; messages: readonly Message[]; runs: readonly Run[] }) {
  const { task, messages, runs } = props;
  const search = useSearch({ from: '/tasks/$id' });
  const me = useQuery(meQuery).data;
  const own = mayControl(me, task);
  const message = messages.find(one => one.id === search.message) ?? newestWithRuns(messages, runs);
  const shown = runs.filter(run => run.message_id === message?.id);
  const parts = { task, messages, runs, message, own };
  useAwaitEndings(task, runs);
  return (
    <Page title={task.title} actions={<TaskActions {...parts} />}>
      <div className={styles.task}>
        <Conversation {...parts} />
        <Runs {...parts} shown={shown} search={search} />
      </div>
    </Page>
  );
}

/** The newest message that has runs; else the newest. */
function newestWithRuns(messages: readonly Message[], runs: readonly Run[]): Message | undefined {
  const worked = new Set(runs.map(run => run.message_id));
  return messages.findLast(message => worked.has(message.id)) ?? messages.at(-1);
}

function Runs(props: TaskParts & { shown: readonly Run[]; search: TaskSearch }) {
  const { shown, search } = props;
  const { t } = useTranslation('tasks');
  const navigate = useNavigate({ from: '/tasks/$id' });
  const agents = useQuery(agentsQuery).data?.data ?? [];
  const go: GoTo = change =>
    void navigate({
      search: now => (typeof change === 'function' ? change(now) : { ...now, ...change }),
      replace: true,
      resetScroll: false,
    });
  const alone = shown.find(run => run.id === search.run);
  const compare = search.compare === true && shown.length > 0;
  if (shown.length === 0) {
    return (
      <section className={layout.card} aria-label={t('runs.title')}>
        <Empty title={t('runs.none')}>{props.own && t('runs.noneHint')}</Empty>
      </section>
    );
  }
  return (
    <section className={styles.runs} aria-label={t('runs.title')}>
      {shown.length > 1 && (
        <SegmentedControl
          size="xs"
          aria-label={t('runs.view')}
          value={compare ? 'compare' : 'columns'}
          onChange={view => go({ compare: view === 'compare' || undefined, run: undefined })}
          data={[
            { value: 'columns', label: t('runs.sideBySide') },
            { value: 'compare', label: t('runs.compare') },
          ]}
        />
      )}
      {compare ? (
        <Compare runs={shown} own={props.own} onOpen={run => go({ run, compare: undefined })} />
      ) : (
        <div className={styles.columns} data-count={alone ? 1 : shown.length}>
          {(alone ? [alone] : shown).map(run => (
            <RunColumn
              key={run.id}
              run={run}
              own={props.own}
              title={agentTitle(agents, run.agent)}
              alone={alone !== undefined}
              many={shown.length > 1}
              tab={search.tabs?.[run.id] ?? 'log'}
              at={search.at}
              go={go}
            />
          ))}
        </div>
      )}
    </section>
  );
}
