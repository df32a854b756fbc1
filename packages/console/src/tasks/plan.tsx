import { useTranslation } from 'react-i18next';
import layout from '../ui/layout.module.css';
import typography from '../ui/typography.module.css';
import styles from './run.module.css';
import type { RunLog } from './run-store.ts';

interface Step {
  text: string;
  status: 'pending' | 'active' | 'done';
}

const MARKS = { pending: '○', active: '●', done: '✓' } as const;

/** The newest list of steps that the agent reported. */
export function Plan({ log }: { log: RunLog }) {
  const { t } = useTranslation('tasks');
  const items = log.events.findLast(one => one.type === 'agent.plan')?.data.items;
  const steps: Step[] = Array.isArray(items) ? items : [];
  if (steps.length === 0) return null;
  const done = steps.filter(step => step.status === 'done').length;
  const now = steps.find(step => step.status === 'active');
  return (
    <details className={styles.plan}>
      <summary>
        <span className={typography.num}>{t('run.planDone', { done, total: steps.length })}</span>
        {now && <span className={typography.soft}> {now.text}</span>}
      </summary>
      <ol className={layout.plain} aria-label={t('run.plan')}>
        {steps.map((step, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a step has no name but its place
          <li key={index} data-status={step.status}>
            <span aria-hidden="true">{MARKS[step.status]}</span>{' '}
            <span className={typography.visuallyHidden}>{t(`run.step.${step.status}`)}: </span>
            {step.text}
          </li>
        ))}
      </ol>
    </details>
  );
}
