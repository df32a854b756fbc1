import type { Run } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { outcomeOf } from './use-note.ts';

const LOOKS = {
  passed: { className: 'hf-state-good', mark: '✓' },
  failed: { className: 'hf-state-bad', mark: '▲' },
  timedOut: { className: 'hf-state-warn', mark: '◷' },
} as const;

export type TestResult = Run['tests']['before'];

/** How a test command ended, by form and word. */
export function TestMark({ result }: { result: TestResult }) {
  const { t } = useTranslation('tasks');
  if (result === null) return <span className="hf-soft">—</span>;
  const outcome = outcomeOf(result.exit_code);
  const { className, mark } = LOOKS[outcome];
  return (
    <span className={`hf-state ${className}`}>
      <span aria-hidden="true">{mark}</span> {t(`tests.${outcome}`)}
    </span>
  );
}
