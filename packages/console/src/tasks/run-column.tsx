import { lazy, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import { RUN_TABS, type RunTab } from '../app/search.ts';
import { PagePending } from '../shell/fallbacks.tsx';
import layout from '../ui/layout.module.css';
import styles from './run.module.css';
import { RunFacts } from './run-facts.tsx';
import { RunHead } from './run-head.tsx';
import { RunLogView } from './run-log.tsx';
import type { RunLog } from './run-store.ts';
import { RunTests } from './run-tests.tsx';
import { RunTimeline } from './run-timeline.tsx';
import type { RunColumnProps } from './task-parts.ts';
import { useRunLog } from './use-run-log.ts';

/** The diff needs a highlighter for every language, so its code is loaded on demand. */
const RunDiff = lazy(() => import('./run-diff.tsx').then(module => ({ default: module.RunDiff })));

/** One run: agent and state, then its log, its changes, its tests or its timeline. */
export function RunColumn(props: RunColumnProps) {
  const { run, title, tab } = props;
  const { t } = useTranslation('tasks');
  const log = useRunLog(run.id);
  const show = (next: RunTab) =>
    props.go(now => ({ ...now, at: undefined, tabs: { ...now.tabs, [run.id]: next } }));
  return (
    <article
      className={`${styles.run} ${layout.card}`}
      aria-label={t('run.region', { agent: title })}
    >
      <RunHead {...props} />
      <RunFacts run={run} log={log} />
      <div className={styles.tabs} role="tablist" aria-label={t('tab.label')}>
        {RUN_TABS.map(name => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${run.id}-${name}`}
            aria-selected={tab === name}
            aria-controls={`panel-${run.id}`}
            tabIndex={tab === name ? 0 : -1}
            onClick={() => show(name)}
            onKeyDown={event => moveTab(event, tab, show)}
          >
            {t(`tab.${name}`)}
          </button>
        ))}
      </div>
      <div
        className={styles.tabPanel}
        role="tabpanel"
        id={`panel-${run.id}`}
        aria-labelledby={`tab-${run.id}-${tab}`}
      >
        <Suspense fallback={<PagePending />}>
          <Panel {...props} log={log} />
        </Suspense>
      </div>
    </article>
  );
}

function moveTab(
  event: React.KeyboardEvent<HTMLButtonElement>,
  tab: RunTab,
  show: (next: RunTab) => void,
): void {
  const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
  if (by === 0) return;
  event.preventDefault();
  const to = (RUN_TABS.indexOf(tab) + by + RUN_TABS.length) % RUN_TABS.length;
  show(RUN_TABS[to]!);
  const tabs = event.currentTarget.parentElement?.querySelectorAll<HTMLElement>('[role="tab"]');
  tabs?.[to]?.focus();
}

function Panel(props: RunColumnProps & { log: RunLog }) {
  const { run, title, log } = props;
  switch (props.tab) {
    case 'diff':
      return <RunDiff run={run} agent={title} />;
    case 'tests':
      return <RunTests run={run} log={log} agent={title} />;
    case 'timeline':
      return (
        <RunTimeline
          run={run}
          log={log}
          agent={title}
          at={props.at}
          onAt={at => props.go(now => ({ ...now, at }))}
        />
      );
    default:
      return <RunLogView run={run} log={log} agent={title} own={props.own} />;
  }
}
