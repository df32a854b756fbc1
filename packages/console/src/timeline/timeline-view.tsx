import type { EventEnvelope } from '@holdfast/protocol';
import { type KeyboardEvent, useId, useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { LANES, type Timeline } from './build.ts';
import { nameKey, summary } from './describe.ts';
import { LANE_PX } from './lane-heights.ts';
import { Axis, Cursor, Holdings, Marks, Sound, Spans } from './lanes.tsx';
import { Minimap } from './minimap.tsx';
import type { SoundOnTimeline } from './sound.ts';
import styles from './timeline.module.css';
import { TimelineTools } from './timeline-tools.tsx';
import { useGestures } from './use-gestures.ts';
import { useWidth } from './use-width.ts';
import { useWindow } from './use-window.ts';
import { pan, toX, zoom } from './window.ts';

export interface TimelineViewProps {
  timeline: Timeline;
  events: readonly EventEnvelope[];
  live: boolean;
  cursorSeq: number | null;
  onCursor: (seq: number) => void;
  /** Where the playback is, when something plays or was played. */
  playheadMs: number | null;
  onSeek: (atMs: number) => void;
  sounds: readonly SoundOnTimeline[];
  /** The kind of work; a session by default. */
  kind?: 'session' | 'run';
}

/**
 * The timeline of a piece of work: lanes below each other, time to the right. One cursor runs
 * through all lanes; arrow keys, a click or the playback move it. Drawn as SVG that is bounded by
 * the screen, with a slider on top that gives the same to a screen reader.
 */
export function TimelineView(props: TimelineViewProps) {
  const { timeline, live, sounds } = props;
  const { t } = useTranslation('timeline');
  const hint = useId();
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const view = useWindow(timeline, live);
  const { window, whole } = view;
  const x = useMemo(() => toX(window, width), [window, width]);
  const cursor = useCursor(props, at => view.show(at));
  useGestures(frame, {
    zoom: (factor, share) =>
      view.set(w => {
        const aroundMs = w.fromMs + share * (w.toMs - w.fromMs);
        return zoom(w, whole, { factor, aroundMs });
      }),
    pan: share => view.set(w => pan(w, whole, share * (w.toMs - w.fromMs))),
    pick: share => cursor.toTime(window.fromMs + share * (window.toMs - window.fromMs)),
  });
  const lane = { x, width, cursorSeq: props.cursorSeq, onPick: cursor.toSeq };
  return (
    <div className={styles.timeline}>
      <TimelineTools view={view} live={live} />
      <div className={styles.grid}>
        <LaneNames sounds={sounds} kind={props.kind ?? 'session'} />
        <div
          ref={frame}
          className={styles.frame}
          role="slider"
          tabIndex={0}
          aria-label={t(props.kind === 'run' ? 'sliderRun' : 'slider')}
          aria-describedby={hint}
          aria-valuemin={1}
          aria-valuemax={Math.max(1, props.events.length)}
          aria-valuenow={cursor.position + 1}
          aria-valuetext={cursor.words}
          onKeyDown={event => {
            if (view.key(event.key) || cursor.key(event)) event.preventDefault();
          }}
        >
          <Axis window={window} width={width} startMs={timeline.startMs} />
          {LANES.map(name => (
            <Spans key={name} name={name} spans={timeline.lanes[name]} {...lane} />
          ))}
          <Marks marks={timeline.marks} {...lane} />
          {sounds.map(sound => (
            <Sound key={sound.id} sound={sound} window={window} width={width} />
          ))}
          <Holdings holdings={timeline.holdings} x={x} width={width} />
          <Cursor atMs={cursor.atMs} playheadMs={props.playheadMs} x={x} width={width} />
        </div>
      </div>
      <Minimap timeline={timeline} view={view} />
      <p id={hint} className={styles.hint}>
        {t('hint')}
      </p>
    </div>
  );
}

function LaneNames(props: { sounds: readonly SoundOnTimeline[]; kind: 'session' | 'run' }) {
  const { sounds, kind } = props;
  const { t } = useTranslation('timeline');
  return (
    <div className={styles.names} aria-hidden="true">
      <span style={{ height: LANE_PX.axis }} />
      {LANES.map(name => (
        <span key={name} style={{ height: LANE_PX[name] }}>
          {t(name === 'model' && kind === 'run' ? 'lane.agent' : `lane.${name}`)}
        </span>
      ))}
      <span style={{ height: LANE_PX.marks }}>{t('lane.marks')}</span>
      {sounds.map(sound => (
        <span key={sound.id} style={{ height: LANE_PX.sound }}>
          {t('lane.sound')}
        </span>
      ))}
      <span style={{ height: LANE_PX.server }}>{t('lane.server')}</span>
    </div>
  );
}

/** The chosen event: where it is, its words, and how keys and clicks change it. */
function useCursor(props: TimelineViewProps, show: (atMs: number) => void) {
  const { events, timeline, cursorSeq, onCursor, onSeek } = props;
  const { t } = useTranslation('timeline');
  const formats = useFormats();
  const position = useMemo(
    () => Math.max(0, cursorSeq === null ? -1 : events.findIndex(e => e.seq === cursorSeq)),
    [events, cursorSeq],
  );
  const current = cursorSeq === null ? undefined : events[position];
  const atMs = current ? Math.min(timeline.endMs, Date.parse(current.at)) : null;
  const go = (index: number) => {
    const event = events[Math.min(events.length - 1, Math.max(0, index))];
    if (!event) return;
    onCursor(event.seq);
    show(Date.parse(event.at));
    onSeek(Date.parse(event.at));
  };
  const offset = current ? (Date.parse(current.at) - timeline.startMs) / 1000 : 0;
  return {
    position,
    atMs,
    words: current
      ? t('words', {
          name: t(nameKey(current.type) as never, { defaultValue: current.type }),
          time: formats.clock(offset),
          text: summary(current),
        })
      : t('nothingChosen'),
    toSeq: (seq: number) => go(events.findIndex(event => event.seq === seq)),
    toTime: (ms: number) => go(nearest(events, ms)),
    key: (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return false;
      const steps: Record<string, number> = {
        ArrowRight: cursorSeq === null ? 0 : position + 1,
        ArrowLeft: position - 1,
        PageDown: position + 10,
        PageUp: position - 10,
        Home: 0,
        End: events.length - 1,
      };
      const to = steps[event.key];
      if (to === undefined) return false;
      go(to);
      return true;
    },
  };
}

function nearest(events: readonly EventEnvelope[], ms: number): number {
  let best = 0;
  let distance = Number.POSITIVE_INFINITY;
  for (const [index, event] of events.entries()) {
    const away = Math.abs(Date.parse(event.at) - ms);
    if (away < distance) [best, distance] = [index, away];
  }
  return best;
}
