import type { Task } from '@holdfast/protocol';
import { ActionIcon } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import layout from '../ui/layout.module.css';
import typography from '../ui/typography.module.css';
import { When } from '../ui/when.tsx';
import styles from './board.module.css';
import { Cost } from './cost.tsx';
import { MoveMenu } from './move-menu.tsx';
import type { Move } from './moves.ts';
import { RunMarks } from './run-badge.tsx';
import shared from './tasks.module.css';

export interface TaskCardProps {
  task: Task;
  repo: string | undefined;
  /** The reader has just moved it. */
  moved: boolean;
  /** Absent where the reader may not move the task. */
  onMove: ((move: Move) => void) | undefined;
}

/** One task on the board; the whole card leads to its page. */
export function TaskCard(props: TaskCardProps) {
  const { task, repo, onMove } = props;
  const { t } = useTranslation('tasks');
  return (
    <li className={styles.card} data-live={task.runs.running > 0 || undefined}>
      <div className={styles.top}>
        <Link to="/tasks/$id" params={{ id: task.id }} className={styles.link}>
          {task.title}
        </Link>
        {onMove && <MoveButton task={task} moved={props.moved} onMove={onMove} />}
      </div>
      <p className={styles.repo}>
        <Icon name="folder" size={14} /> {repo ?? t('repoGone')}
      </p>
      <div className={styles.foot}>
        <RunMarks task={task} />
        {task.picked_run_id !== null && (
          <span className={shared.picked}>
            <Icon name="check" size={14} /> {t('picked')}
          </span>
        )}
        <span className={`${layout.push} ${typography.num}`}>
          {task.cost_usd > 0 && (
            <span title={t('costOfTask')}>
              <span className={typography.visuallyHidden}>{t('costOfTask')} </span>
              <Cost of={task} /> ·{' '}
            </span>
          )}
          <When at={task.updated_at} />
        </span>
      </div>
    </li>
  );
}

function MoveButton(props: { task: Task; moved: boolean; onMove: (move: Move) => void }) {
  const { task, moved, onMove } = props;
  const { t } = useTranslation('tasks');
  const button = useRef<HTMLButtonElement>(null);
  // In another column the button is a new element, and the one that had the focus is gone.
  useEffect(() => {
    if (moved) button.current?.focus();
  }, [moved]);
  return (
    <MoveMenu task={task} onMove={onMove}>
      <ActionIcon
        ref={button}
        variant="subtle"
        color="gray"
        size="sm"
        className={styles.menu}
        aria-label={t('move.label', { title: task.title })}
      >
        <Icon name="more" size={16} />
      </ActionIcon>
    </MoveMenu>
  );
}
