import type { Task } from '@holdfast/protocol';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Icon } from '../ui/icons.tsx';
import { When } from '../ui/when.tsx';
import { Cost } from './cost.tsx';
import { RunMarks } from './run-badge.tsx';

/** One task on the board; the whole card leads to its page. */
export function TaskCard({ task, repo }: { task: Task; repo: string | undefined }) {
  const { t } = useTranslation('tasks');
  return (
    <li className="hf-task-card" data-live={task.runs.running > 0 || undefined}>
      <Link to="/tasks/$id" params={{ id: task.id }} className="hf-task-link">
        {task.title}
      </Link>
      <p className="hf-task-repo">
        <Icon name="folder" size={14} /> {repo ?? t('repoGone')}
      </p>
      <div className="hf-task-foot">
        <RunMarks task={task} />
        {task.picked_run_id !== null && (
          <span className="hf-picked">
            <Icon name="check" size={14} /> {t('picked')}
          </span>
        )}
        <span className="hf-push hf-num">
          {task.cost_usd > 0 && (
            <span title={t('costOfTask')}>
              <span className="hf-visually-hidden">{t('costOfTask')} </span>
              <Cost of={task} /> ·{' '}
            </span>
          )}
          <When at={task.updated_at} />
        </span>
      </div>
    </li>
  );
}
