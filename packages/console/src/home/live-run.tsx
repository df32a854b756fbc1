import type { Run } from '@holdfast/protocol';
import { useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { RunLink } from '../tasks/run-link.tsx';
import { runSeconds } from '../tasks/run-states.ts';
import { useRunLog } from '../tasks/use-run-log.ts';
import { buildTimeline } from '../timeline/build.ts';
import { Strip } from '../timeline/minimap.tsx';
import { useWidth } from '../timeline/use-width.ts';
import layout from '../ui/layout.module.css';
import { useNow } from '../ui/use-now.ts';
import { Length } from '../ui/when.tsx';
import styles from './home.module.css';

const RENEW_MS = 2000;

/** A run in progress: its timeline in the smallest form, growing to the right. */
export function LiveRun({ run }: { run: Run }) {
  const { t } = useTranslation('home');
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const now = useNow(RENEW_MS);
  const { events } = useRunLog(run.id);
  // Drawn again with the clock: a strip this small need not follow every event.
  const timeline = useMemo(() => buildTimeline(events, now), [events, now]);
  return (
    <li className={styles.liveSession}>
      <div className={styles.liveHead} data-run>
        <RunLink runId={run.id} />
        <span className={layout.push} title={t('live.length')}>
          <Length seconds={runSeconds(run, now)} />
        </span>
      </div>
      <div ref={frame} className={styles.liveStrip}>
        {events.length > 0 && <Strip timeline={timeline} width={width} />}
      </div>
    </li>
  );
}
