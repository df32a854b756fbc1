import type { Run } from '@holdfast/protocol';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import typography from '../ui/typography.module.css';
import { AnsiText } from './ansi-text.tsx';
import { isOver } from './run-states.ts';
import type { RunLog } from './run-store.ts';
import shared from './tasks.module.css';
import { TestMark } from './test-mark.tsx';
import styles from './tests.module.css';

/** The repository's own tests before and after the agent's work, with what they printed. */
export function RunTests({ run, log, agent }: { run: Run; log: RunLog; agent: string }) {
  const { t } = useTranslation('tasks');
  const { before, after } = run.tests;
  if (before === null && after === null && isOver(run.status)) {
    return <p className={shared.hint}>{t('tests.none')}</p>;
  }
  return (
    <section
      className={styles.tests}
      aria-label={t('tests.label', { agent })}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
      tabIndex={0}
    >
      <Phase phase="before" run={run} log={log} />
      <Phase phase="after" run={run} log={log} />
    </section>
  );
}

function Phase({ phase, run, log }: { phase: 'before' | 'after'; run: Run; log: RunLog }) {
  const { t } = useTranslation('tasks');
  const formats = useFormats();
  const result = run.tests[phase];
  const event = log.events.findLast(
    one => one.type === 'tests.finished' && one.data.phase === phase,
  );
  const output = event?.data.output;
  return (
    <div>
      <h3>
        {t(`tests.${phase}`)}{' '}
        {result === null ? (
          <small className={typography.soft}>
            {isOver(run.status) ? t('tests.notRun') : t('tests.notYet')}
          </small>
        ) : (
          <>
            <TestMark result={result} />{' '}
            <small className={`${typography.soft} ${typography.num}`}>
              {formats.clock(result.duration_s)}
              {result.exit_code !== null && ` · ${t('tests.code', { code: result.exit_code })}`}
            </small>
          </>
        )}
      </h3>
      {typeof output === 'string' && (
        <pre>
          <AnsiText text={output} />
        </pre>
      )}
    </div>
  );
}
