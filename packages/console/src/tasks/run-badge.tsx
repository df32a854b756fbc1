import type { RunStatus, Task } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { State, type Tone } from '../ui/state.tsx';
import typography from '../ui/typography.module.css';
import { countsOf } from './run-states.ts';
import shared from './tasks.module.css';

const LOOKS: Record<RunStatus, { tone: Tone; mark: string }> = {
  queued: { tone: 'quiet', mark: '○' },
  running: { tone: 'live', mark: '●' },
  succeeded: { tone: 'good', mark: '✓' },
  failed: { tone: 'bad', mark: '▲' },
  canceled: { tone: 'quiet', mark: '■' },
};

export function RunBadge({ status }: { status: RunStatus }) {
  const { t } = useTranslation('tasks');
  return <State {...LOOKS[status]}>{t(`status.${status}`)}</State>;
}

/** The mark alone, where a name beside it or the text around it gives the rest. */
export function RunMark({ status }: { status: RunStatus }) {
  const { t } = useTranslation('tasks');
  return (
    <State {...LOOKS[status]}>
      <span className={typography.visuallyHidden}>{t(`status.${status}`)}</span>
    </State>
  );
}

/** The runs of a task as small marks: one of each state, with how many. */
export function RunMarks({ task }: { task: Task }) {
  const { t } = useTranslation('tasks');
  const counts = countsOf(task);
  if (counts.length === 0) return <span className={typography.soft}>{t('noRuns')}</span>;
  return (
    <span className={shared.runMarks}>
      {counts.map(({ status, count }) => {
        const words = t('marks', { count, status: t(`status.${status}`) });
        const { tone, mark } = LOOKS[status];
        const number = count > 1 && <small className={typography.num}> {count}</small>;
        const counted = (
          <>
            {mark}
            {number}
          </>
        );
        return (
          <State key={status} tone={tone} mark={counted} title={words}>
            <span className={typography.visuallyHidden}>{words}</span>
          </State>
        );
      })}
    </span>
  );
}
