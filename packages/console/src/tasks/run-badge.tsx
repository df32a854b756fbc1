import type { RunStatus, Task } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { countsOf } from './run-states.ts';

/** Form and word say the state; colour only helps. */
const SHAPES: Record<RunStatus, { className: string; mark: string }> = {
  queued: { className: 'hf-state-quiet', mark: '○' },
  running: { className: 'hf-state-live', mark: '●' },
  succeeded: { className: 'hf-state-good', mark: '✓' },
  failed: { className: 'hf-state-bad', mark: '▲' },
  canceled: { className: 'hf-state-quiet', mark: '■' },
};

export function RunBadge({ status }: { status: RunStatus }) {
  const { t } = useTranslation('tasks');
  const { className, mark } = SHAPES[status];
  return (
    <span className={`hf-state ${className}`} data-state={status}>
      <span aria-hidden="true">{mark}</span> {t(`status.${status}`)}
    </span>
  );
}

/** The mark alone, where a name beside it or the text around it says the rest. */
export function RunMark({ status }: { status: RunStatus }) {
  const { t } = useTranslation('tasks');
  const { className, mark } = SHAPES[status];
  return (
    <span className={`hf-state ${className}`} data-state={status}>
      <span aria-hidden="true">{mark}</span>
      <span className="hf-visually-hidden">{t(`status.${status}`)}</span>
    </span>
  );
}

/** The runs of a task as small marks: one of each state, with how many. */
export function RunMarks({ task }: { task: Task }) {
  const { t } = useTranslation('tasks');
  const counts = countsOf(task);
  if (counts.length === 0) return <span className="hf-soft">{t('noRuns')}</span>;
  return (
    <span className="hf-run-marks">
      {counts.map(({ status, count }) => (
        <span
          key={status}
          className={`hf-state ${SHAPES[status].className}`}
          data-state={status}
          title={t('marks', { count, status: t(`status.${status}`) })}
        >
          <span aria-hidden="true">
            {SHAPES[status].mark}
            {count > 1 && <small className="hf-num"> {count}</small>}
          </span>
          <span className="hf-visually-hidden">
            {t('marks', { count, status: t(`status.${status}`) })}
          </span>
        </span>
      ))}
    </span>
  );
}
