import type { EventEnvelope } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import type { RunLog } from './run-store.ts';

interface Step {
  text: string;
  status: 'pending' | 'active' | 'done';
}

const MARKS = { pending: '○', active: '●', done: '✓' } as const;

/** The agent's own list of steps, as it last said it. */
export function Plan({ log }: { log: RunLog }) {
  const { t } = useTranslation('tasks');
  const event = log.events.findLast(one => one.type === 'agent.plan');
  const steps = event ? stepsOf(event) : [];
  if (steps.length === 0) return null;
  const done = steps.filter(step => step.status === 'done').length;
  const now = steps.find(step => step.status === 'active');
  return (
    <details className="hf-plan">
      <summary>
        <span className="hf-num">{t('run.planDone', { done, total: steps.length })}</span>
        {now && <span className="hf-soft"> {now.text}</span>}
      </summary>
      <ol className="hf-plain" aria-label={t('run.plan')}>
        {steps.map((step, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a step has no name but its place
          <li key={index} data-status={step.status}>
            <span aria-hidden="true">{MARKS[step.status]}</span>{' '}
            <span className="hf-visually-hidden">{t(`run.step.${step.status}`)}: </span>
            {step.text}
          </li>
        ))}
      </ol>
    </details>
  );
}

function stepsOf(event: EventEnvelope): Step[] {
  return Array.isArray(event.data.items) ? (event.data.items as Step[]) : [];
}
