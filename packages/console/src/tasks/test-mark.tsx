import type { Run } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { State } from '../ui/state.tsx';
import typography from '../ui/typography.module.css';
import { outcomeOf } from './use-note.ts';

const LOOKS = {
  passed: { tone: 'good', mark: '✓' },
  failed: { tone: 'bad', mark: '▲' },
  timedOut: { tone: 'warn', mark: '◷' },
} as const;

export type TestResult = Run['tests']['before'];

/** How a test command ended, by form and word. */
export function TestMark({ result }: { result: TestResult }) {
  const { t } = useTranslation('tasks');
  if (result === null) return <span className={typography.soft}>—</span>;
  const outcome = outcomeOf(result.exit_code);
  return <State {...LOOKS[outcome]}>{t(`tests.${outcome}`)}</State>;
}
