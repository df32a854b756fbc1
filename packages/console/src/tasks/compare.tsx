import type { Run } from '@holdfast/protocol';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { agentsQuery } from '../app/run-queries.ts';
import { useFormats } from '../i18n/format.ts';
import layout from '../ui/layout.module.css';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { useNow } from '../ui/use-now.ts';
import { agentTitle } from './agents.ts';
import styles from './compare.module.css';
import { RunCost } from './cost.tsx';
import { RunActions } from './run-actions.tsx';
import { RunBadge } from './run-badge.tsx';
import { Lines } from './run-facts.tsx';
import { isOver, runSeconds } from './run-states.ts';
import { TestMark } from './test-mark.tsx';
import { useReason } from './use-note.ts';

/** The runs of one message as a table of figures, with their actions in the last row. */
export function Compare(props: {
  runs: readonly Run[];
  own: boolean;
  onOpen: (runId: string) => void;
}) {
  const { runs } = props;
  const { t } = useTranslation('tasks');
  const agents = useQuery(agentsQuery).data?.data ?? [];
  const rows = useRows(runs);
  return (
    <section
      className={`${layout.card} ${styles.compare}`}
      aria-label={t('compare.label')}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
      tabIndex={0}
    >
      <table className={tables.table}>
        <thead>
          <tr>
            <th scope="col">
              <span className={typography.visuallyHidden}>{t('compare.what')}</span>
            </th>
            {runs.map(run => (
              <th key={run.id} scope="col" data-picked={run.picked || undefined}>
                <button
                  type="button"
                  className={typography.linklike}
                  onClick={() => props.onOpen(run.id)}
                  aria-label={t('runs.alone', { agent: agentTitle(agents, run.agent) })}
                >
                  {agentTitle(agents, run.agent)}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(row => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              {runs.map(run => (
                <td key={run.id} data-picked={run.picked || undefined}>
                  {row.cell(run)}
                </td>
              ))}
            </tr>
          ))}
          <tr>
            <th scope="row">{t('compare.decide')}</th>
            {runs.map(run => (
              <td key={run.id} data-picked={run.picked || undefined}>
                <RunActions
                  run={run}
                  own={props.own}
                  title={agentTitle(agents, run.agent)}
                  align="flex-start"
                />
              </td>
            ))}
          </tr>
        </tbody>
      </table>
    </section>
  );
}

function useRows(runs: readonly Run[]): { name: string; cell: (run: Run) => ReactNode }[] {
  const { t } = useTranslation('tasks');
  const formats = useFormats();
  const reasonOf = useReason();
  const now = useNow(runs.every(run => isOver(run.status)) ? 60_000 : 1000);
  return [
    {
      name: t('compare.state'),
      cell: run => (
        <>
          <RunBadge status={run.status} />
          {run.reason !== null && (
            <p className={`${typography.soft} ${typography.small}`}>{reasonOf(run.reason)}</p>
          )}
        </>
      ),
    },
    { name: t('compare.files'), cell: run => formats.number(run.files_changed.length) },
    { name: t('compare.lines'), cell: run => <Lines {...run} /> },
    {
      name: t('compare.tests'),
      cell: run => (
        <>
          <TestMark result={run.tests.before} /> → <TestMark result={run.tests.after} />
        </>
      ),
    },
    { name: t('compare.cost'), cell: run => <RunCost run={run} /> },
    { name: t('compare.time'), cell: run => formats.clock(runSeconds(run, now)) },
    { name: t('compare.summary'), cell: run => run.summary ?? '—' },
  ];
}
