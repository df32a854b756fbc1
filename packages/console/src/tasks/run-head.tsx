import { ActionIcon, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import { State } from '../ui/state.tsx';
import typography from '../ui/typography.module.css';
import styles from './run.module.css';
import { RunActions } from './run-actions.tsx';
import { RunBadge } from './run-badge.tsx';
import { isOver } from './run-states.ts';
import type { RunColumnProps } from './task-parts.ts';
import { useReason } from './use-note.ts';

/** Agent, state, reason and actions of a run. */
export function RunHead(props: RunColumnProps) {
  const { run, title, alone, many, go } = props;
  const { t } = useTranslation('tasks');
  const reasonOf = useReason();
  const label = alone ? t('runs.all') : t('runs.alone', { agent: title });
  return (
    <header>
      <div className={styles.who}>
        <h2>{title}</h2>
        <RunBadge status={run.status} />
        {many && (
          <Tooltip label={label}>
            <ActionIcon
              variant="subtle"
              color="gray"
              className={layout.push}
              aria-label={label}
              onClick={() => go({ run: alone ? undefined : run.id })}
            >
              <Icon name={alone ? 'minus' : 'fit'} size={16} />
            </ActionIcon>
          </Tooltip>
        )}
      </div>
      <div className={styles.line}>
        <span className={typography.soft}>
          {[
            run.model,
            run.attempt > 1 ? t('run.attempt', { count: run.attempt }) : null,
            run.retry_of === null ? null : t('run.retryOf'),
            run.continues === null ? null : t('run.continues'),
          ]
            .filter(Boolean)
            .join(' · ')}
        </span>
        {run.isolated === false && (
          <State
            tone="warn"
            mark={<Icon name="alert" size={14} />}
            title={t('run.notIsolatedWhat')}
          >
            {t('run.notIsolated')}
          </State>
        )}
        <span className={layout.push}>
          <RunActions run={run} own={props.own} title={title} align="flex-end" />
        </span>
      </div>
      {run.status !== 'succeeded' && isOver(run.status) && run.reason !== 'canceled' && (
        <p className={styles.reason}>{reasonOf(run.reason)}</p>
      )}
    </header>
  );
}
