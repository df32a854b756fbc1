import type { Session } from '@holdfast/protocol';
import { Link } from '@tanstack/react-router';
import { useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { buildTimeline } from '../timeline/build.ts';
import { Strip } from '../timeline/minimap.tsx';
import { useEvents } from '../timeline/use-events.ts';
import { useWidth } from '../timeline/use-width.ts';
import layout from '../ui/layout.module.css';
import { StateBadge } from '../ui/state-badge.tsx';
import typography from '../ui/typography.module.css';
import { useNow } from '../ui/use-now.ts';
import { Length } from '../ui/when.tsx';
import styles from './home.module.css';

const RENEW_MS = 2000;
const POLL_MAX_MS = 4000;

/** An open session: its timeline in the smallest form, growing to the right. */
export function LiveSession({ session }: { session: Session }) {
  const { t } = useTranslation('home');
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const now = useNow(RENEW_MS);
  const { events } = useEvents(session.id, { maxDelayMs: POLL_MAX_MS });
  const timeline = useMemo(() => buildTimeline(events, now), [events, now]);
  const since = Date.parse(session.connected_at ?? session.created_at);
  return (
    <li className={styles.liveSession}>
      <div className={styles.liveHead}>
        <StateBadge state={session.state} />
        <Link to="/sessions/$id" params={{ id: session.id }} className={typography.strongLink}>
          {session.model}
        </Link>
        <span className={typography.soft}>{session.created_by}</span>
        <span className={layout.push} title={t('live.length')}>
          <Length seconds={(now - since) / 1000} />
        </span>
      </div>
      <div ref={frame} className={styles.liveStrip}>
        {events.length > 0 && <Strip timeline={timeline} width={width} />}
      </div>
    </li>
  );
}
