import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import { columnPeaks, outlinePath } from '../recordings/peaks.ts';
import type { Holding, Lane, Mark, Span } from './build.ts';
import { nameKey } from './describe.ts';
import { foldMarks, foldSpans } from './fold.ts';
import { hueOf } from './hues.ts';
import { LANE_PX } from './lane-heights.ts';
import type { SoundOnTimeline } from './sound.ts';
import styles from './timeline.module.css';
import { ticks, type Window } from './window.ts';

/** One component for each kind of lane; all draw what `x` puts within `width`. */
interface LaneProps {
  x: (atMs: number) => number;
  width: number;
  cursorSeq: number | null;
  onPick: (seq: number) => void;
}

/** Words may run beyond their span, into the silence after it. */
const TEXT_FROM_PX = 46;
const TEXT_GAP_PX = 12;
/** Too thin for an edge of its own. */
const THIN_PX = 6;
const TEXT_MAX_PX = 240;

export function Axis(props: { window: Window; width: number; startMs: number }) {
  const formats = useFormats();
  const { window, width, startMs } = props;
  const scale = width / (window.toMs - window.fromMs);
  return (
    <svg className={styles.lane} height={LANE_PX.axis} width={width} aria-hidden="true">
      {ticks(window, width, startMs).map(offset => {
        const x = (startMs + offset - window.fromMs) * scale;
        return (
          <g key={offset} transform={`translate(${x.toFixed(1)} 0)`}>
            <line y1={16} y2={LANE_PX.axis} className={styles.tick} />
            <text y={12} className={styles.time} textAnchor={x < 16 ? 'start' : 'middle'}>
              {formats.clock(offset / 1000)}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

export function Spans(props: LaneProps & { name: Lane; spans: readonly Span[] }) {
  const { name, x, width, cursorSeq, onPick } = props;
  const height = LANE_PX[name];
  return (
    <div className={styles.lane} style={{ height }} aria-hidden="true">
      {foldSpans(props.spans, x, width).map(({ x: left, width: wide, span, count, room }) => (
        // The slider around all lanes serves keyboard and screen reader; this serves the pointer.
        // biome-ignore lint/a11y/noStaticElementInteractions: see above
        // biome-ignore lint/a11y/useKeyWithClickEvents: see above
        <div
          key={span.seq}
          data-seq={span.seq}
          className={styles.span}
          data-lane={name}
          data-thin={wide < THIN_PX || undefined}
          data-open={span.open || undefined}
          data-cut={span.cut || undefined}
          data-chosen={span.seq === cursorSeq || undefined}
          style={{ left: Math.max(-2, left), width: wide + Math.min(0, left + 2) }}
          title={count === 1 ? span.text : undefined}
          onClick={() => onPick(span.seq)}
        >
          {room >= TEXT_FROM_PX && count === 1 && (
            <span style={{ width: Math.min(room - TEXT_GAP_PX, Math.max(wide, TEXT_MAX_PX)) }}>
              {span.text}
            </span>
          )}
        </div>
      ))}
    </div>
  );
}

/** Dot, diamond and triangle: shape before colour. */
const SHAPES: Record<Mark['shape'], string> = {
  dot: 'M0-4a4 4 0 1 0 0 8a4 4 0 1 0 0-8z',
  life: 'M0-6 6 0 0 6-6 0z',
  error: 'M0-6.5 6.5 5h-13z',
};

export function Marks(props: LaneProps & { marks: readonly Mark[] }) {
  const { t } = useTranslation('timeline');
  const { x, width, cursorSeq, onPick } = props;
  const middle = LANE_PX.marks / 2;
  return (
    <svg className={styles.lane} height={LANE_PX.marks} width={width} aria-hidden="true">
      <line x1={0} x2={width} y1={middle} y2={middle} className={styles.rail} />
      {foldMarks(props.marks, x, width).map(({ x: at, marks, shape }) => (
        // biome-ignore lint/a11y/noStaticElementInteractions: the slider around it has the keys
        <g
          key={marks[0]!.seq}
          data-seq={marks[0]!.seq}
          className={styles.mark}
          data-shape={shape}
          data-chosen={marks.some(mark => mark.seq === cursorSeq) || undefined}
          transform={`translate(${at.toFixed(1)} ${middle})`}
          onClick={() => onPick((marks.find(mark => mark.shape === shape) ?? marks[0]!).seq)}
        >
          <title>
            {marks
              .slice(0, 6)
              .map(mark => t(nameKey(mark.type) as never, { defaultValue: mark.type }))
              .join(' · ')}
          </title>
          <path d={SHAPES[shape]} />
        </g>
      ))}
    </svg>
  );
}

const COLUMN_PX = 2;

export function Sound(props: { sound: SoundOnTimeline; window: Window; width: number }) {
  const { sound, window, width } = props;
  const scale = width / (window.toMs - window.fromMs);
  const left = (sound.startMs - window.fromMs) * scale;
  const right = (sound.endMs - window.fromMs) * scale;
  const path =
    sound.peaks &&
    outlinePath(
      columnPeaks(sound.peaks, {
        fromMs: window.fromMs - sound.startMs,
        toMs: window.toMs - sound.startMs,
        count: Math.ceil(width / COLUMN_PX),
      }),
      COLUMN_PX,
      LANE_PX.sound - 12,
    );
  return (
    <svg className={styles.lane} height={LANE_PX.sound} width={width} aria-hidden="true">
      <rect
        x={left}
        width={Math.max(1, right - left)}
        y={4}
        height={LANE_PX.sound - 8}
        rx={4}
        className={styles.sound}
      />
      {path && <path d={path} transform="translate(0 6)" className={styles.outline} />}
    </svg>
  );
}

/** The thin lane at the bottom: one colour for each server that held the lease. */
export function Holdings(props: {
  holdings: readonly Holding[];
  x: (atMs: number) => number;
  width: number;
}) {
  const { t } = useTranslation('timeline');
  return (
    <div className={styles.lane} style={{ height: LANE_PX.server }} aria-hidden="true">
      {props.holdings.map(({ replica, revision, seq, startMs, endMs }) => {
        const left = Math.max(0, props.x(startMs));
        const right = Math.min(props.width, props.x(endMs));
        if (right <= left) return null;
        return (
          <div
            key={seq}
            className={styles.holding}
            data-hue={hueOf(replica)}
            style={{ left, width: right - left }}
            title={
              revision === '' ? t('heldByServer', { replica }) : t('heldBy', { replica, revision })
            }
          >
            <span>{replica}</span>
          </div>
        );
      })}
    </div>
  );
}

export function Cursor(props: {
  atMs: number | null;
  playheadMs: number | null;
  x: (atMs: number) => number;
  width: number;
}) {
  const line = (ms: number | null, className: string | undefined) => {
    if (ms === null) return null;
    const left = props.x(ms);
    if (left < -1 || left > props.width + 1) return null;
    return <div className={className} style={{ transform: `translateX(${left.toFixed(1)}px)` }} />;
  };
  return (
    <>
      {line(props.atMs, styles.cursor)}
      {line(props.playheadMs, styles.playhead)}
    </>
  );
}
