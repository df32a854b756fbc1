import type { Recording, Session } from '@holdfast/protocol';
import { SegmentedControl } from '@mantine/core';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { soundAt, startOf } from '../recordings/placement.ts';
import type { Player } from '../recordings/use-player.ts';
import { useSounds } from '../recordings/use-sounds.ts';
import { buildTimeline } from '../timeline/build.ts';
import { EventPanel } from '../timeline/event-panel.tsx';
import { EventTable } from '../timeline/event-table.tsx';
import styles from '../timeline/timeline.module.css';
import { TimelineView } from '../timeline/timeline-view.tsx';
import type { Followed } from '../timeline/use-events.ts';
import { Section } from '../ui/page.tsx';
import { Problem } from '../ui/problem.tsx';
import { isFinal } from '../ui/states.ts';
import { useNow } from '../ui/use-now.ts';
import { useEventCursor } from './use-event-cursor.ts';

const LIVE_RENEW_MS = 1000;
const STILL_RENEW_MS = 60_000;

/** The timeline or the table of a session's log, with the chosen event beside it. */
export function SessionTimeline(props: {
  session: Session;
  followed: Followed;
  recordings: readonly Recording[];
  player: Player;
}) {
  const { session, followed, recordings, player } = props;
  const { t } = useTranslation('sessions');
  const live = !isFinal(session.state);
  const now = useNow(live ? LIVE_RENEW_MS : STILL_RENEW_MS);
  const { events } = followed;
  const until = live ? now : null;
  const timeline = useMemo(() => buildTimeline(events, until), [events, until]);
  const sounds = useSounds(recordings);
  const played = recordings.find(recording => recording.audio_id === player.currentId);
  const playheadMs = played ? startOf(played) + player.positionMs : null;
  const cursor = useEventCursor(events, player.playing ? playheadMs : null);
  const seek = (atMs: number) => {
    const sound = soundAt(recordings, atMs);
    if (sound) player.seek(sound.id, sound.positionMs);
  };
  const { asTable, seq: cursorSeq } = cursor;
  const list = { events, cursorSeq, onCursor: cursor.choose };
  return (
    <Section
      title={t('timeline')}
      id="timeline"
      actions={
        <SegmentedControl
          size="xs"
          aria-label={t('show')}
          value={asTable ? 'table' : 'timeline'}
          onChange={value => cursor.show(value === 'table')}
          data={[
            { value: 'timeline', label: t('timeline') },
            { value: 'table', label: t('table') },
          ]}
        />
      }
    >
      {followed.error !== null && <Problem error={followed.error} />}
      <div className={styles.split}>
        {asTable ? (
          <EventTable {...list} startMs={timeline.startMs} />
        ) : (
          <TimelineView
            {...list}
            timeline={timeline}
            live={live}
            playheadMs={playheadMs}
            onSeek={seek}
            sounds={sounds}
          />
        )}
        <EventPanel
          event={events.find(event => event.seq === cursorSeq)}
          startMs={timeline.startMs}
        />
      </div>
    </Section>
  );
}
