import type { Run } from '@holdfast/protocol';
import { SegmentedControl } from '@mantine/core';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useShortcut } from '../shell/shortcuts.ts';
import { buildTimeline } from '../timeline/build.ts';
import { EventPanel } from '../timeline/event-panel.tsx';
import { EventTable } from '../timeline/event-table.tsx';
import { TimelineView } from '../timeline/timeline-view.tsx';
import { useNow } from '../ui/use-now.ts';
import { isOver } from './run-states.ts';
import type { RunLog } from './run-store.ts';
import styles from './run-timeline.module.css';

/** The log of a run as a timeline, drawn as for a voice session. */
export function RunTimeline(props: {
  run: Run;
  log: RunLog;
  agent: string;
  at: number | undefined;
  onAt: (seq: number) => void;
}) {
  const { log, agent } = props;
  const { t } = useTranslation('tasks');
  const sessions = useTranslation('sessions').t;
  const [asTable, setAsTable] = useState(false);
  useShortcut('t', () => setAsTable(now => !now));
  const live = !isOver(props.run.status);
  const now = useNow(live ? 1000 : 60_000);
  const until = live ? now : null;
  // The events grow in place. The version changes with them, and a copy makes memos recompute.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const events = useMemo(() => [...log.events], [log.version]);
  const timeline = useMemo(() => buildTimeline(events, until), [events, until]);
  const list = { events, cursorSeq: props.at ?? null, onCursor: props.onAt };
  return (
    <section className={styles.timeline} aria-label={t('timelineOf', { agent })}>
      <SegmentedControl
        size="xs"
        aria-label={sessions('show')}
        value={asTable ? 'table' : 'timeline'}
        onChange={value => setAsTable(value === 'table')}
        data={[
          { value: 'timeline', label: sessions('timeline') },
          { value: 'table', label: sessions('table') },
        ]}
      />
      {asTable ? (
        <EventTable {...list} startMs={timeline.startMs} />
      ) : (
        <TimelineView
          {...list}
          timeline={timeline}
          live={live}
          kind="run"
          playheadMs={null}
          onSeek={() => undefined}
          sounds={[]}
        />
      )}
      <EventPanel event={events.find(event => event.seq === props.at)} startMs={timeline.startMs} />
    </section>
  );
}
