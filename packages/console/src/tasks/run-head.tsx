import { ActionIcon, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import { RunActions } from './run-actions.tsx';
import { RunBadge } from './run-badge.tsx';
import type { RunColumnProps } from './run-column.tsx';
import { isOver } from './run-states.ts';
import { useReason } from './use-note.ts';

/** Who, in what state and why, and what can be done about it. */
export function RunHead(props: RunColumnProps) {
  const { run, title, alone, many, go } = props;
  const { t } = useTranslation('tasks');
  const reasonOf = useReason();
  const label = alone ? t('runs.all') : t('runs.alone', { agent: title });
  return (
    <header className="hf-run-head">
      <div className="hf-run-who">
        <h2>{title}</h2>
        <RunBadge status={run.status} />
        {many && (
          <Tooltip label={label}>
            <ActionIcon
              variant="subtle"
              color="gray"
              className="hf-push"
              aria-label={label}
              onClick={() => go({ run: alone ? undefined : run.id })}
            >
              <Icon name={alone ? 'minus' : 'fit'} size={16} />
            </ActionIcon>
          </Tooltip>
        )}
      </div>
      <div className="hf-run-line">
        <span className="hf-soft">
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
          <span className="hf-state hf-state-warn" title={t('run.notIsolatedWhat')}>
            <Icon name="alert" size={14} /> {t('run.notIsolated')}
          </span>
        )}
        <span className="hf-push">
          <RunActions run={run} own={props.own} title={title} />
        </span>
      </div>
      {run.status !== 'succeeded' && isOver(run.status) && run.reason !== 'canceled' && (
        <p className="hf-run-reason">{reasonOf(run.reason)}</p>
      )}
    </header>
  );
}
