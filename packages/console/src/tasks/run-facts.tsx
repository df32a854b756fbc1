import type { Run } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import layout from '../ui/layout.module.css';
import typography from '../ui/typography.module.css';
import { useNow } from '../ui/use-now.ts';
import { RunCost } from './cost.tsx';
import { Plan } from './plan.tsx';
import styles from './run.module.css';
import { isOver, runSeconds } from './run-states.ts';
import type { RunLog } from './run-store.ts';
import { TestMark } from './test-mark.tsx';

/** The figures of a run, its plan while it works, and what came of it when it is over. */
export function RunFacts({ run, log }: { run: Run; log: RunLog }) {
  const { t } = useTranslation('tasks');
  const formats = useFormats();
  const now = useNow(isOver(run.status) ? 60_000 : 1000);
  return (
    <div className={styles.facts}>
      <dl>
        <div>
          <dt>{t('run.time')}</dt>
          <dd className={typography.num}>{formats.clock(runSeconds(run, now))}</dd>
        </div>
        <div>
          <dt>{t('run.cost')}</dt>
          <dd className={typography.num}>
            <RunCost run={run} />
          </dd>
        </div>
        <div>
          <dt>{t('compare.tests')}</dt>
          <dd>
            <TestMark result={run.tests.before} /> → <TestMark result={run.tests.after} />
          </dd>
        </div>
      </dl>
      {run.status === 'queued' && <p className={typography.soft}>{t('run.queued')}</p>}
      {!isOver(run.status) && <Plan log={log} />}
      {run.summary !== null && <p className={styles.summary}>{run.summary}</p>}
      <Files run={run} />
    </div>
  );
}

function Files({ run }: { run: Run }) {
  const { t } = useTranslation('tasks');
  const formats = useFormats();
  if (run.files_changed.length === 0) return null;
  return (
    <details className={styles.files}>
      <summary>
        {t('run.filesCount', { count: run.files_changed.length })}{' '}
        <Lines insertions={run.insertions} deletions={run.deletions} />
      </summary>
      <ul className={layout.plain}>
        {run.files_changed.map(file => (
          <li key={file.path}>
            <code>{file.path}</code>
            {file.insertions === null ? (
              <span className={typography.soft}>{t('run.binary')}</span>
            ) : (
              <Lines insertions={file.insertions} deletions={file.deletions ?? 0} />
            )}
          </li>
        ))}
      </ul>
      <span className={typography.visuallyHidden}>{formats.number(run.files_changed.length)}</span>
    </details>
  );
}

export function Lines(props: { insertions: number; deletions: number }) {
  const formats = useFormats();
  return (
    <span className={`${styles.lines} ${typography.num}`}>
      <ins>+{formats.number(props.insertions)}</ins> <del>−{formats.number(props.deletions)}</del>
    </span>
  );
}
