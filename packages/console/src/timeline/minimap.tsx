import { useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { LANES, type Timeline } from './build.ts';
import { foldSpans } from './fold.ts';
import styles from './timeline.module.css';
import { useGestures } from './use-gestures.ts';
import { useWidth } from './use-width.ts';
import type { WindowView } from './use-window.ts';
import { pan, toX } from './window.ts';

const ROW_PX = 5;
const HEIGHT_PX = ROW_PX * LANES.length + 9;

/** The whole work in one strip, with the part that is shown; click or drag to go there. */
export function Minimap({ timeline, view }: { timeline: Timeline; view: WindowView }) {
  const { t } = useTranslation('timeline');
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const { window, whole } = view;
  const length = whole.toMs - whole.fromMs;
  const centre = (share: number) =>
    view.set(w => pan(w, whole, whole.fromMs + share * length - (w.fromMs + w.toMs) / 2));
  useGestures(frame, {
    zoom: factor => view.zoomBy(factor),
    pan: share => view.set(w => pan(w, whole, -share * length)),
    pick: centre,
  });
  const left = ((window.fromMs - whole.fromMs) / length) * width;
  const shown = ((window.toMs - window.fromMs) / length) * width;
  return (
    <div ref={frame} className={styles.minimap} title={t('minimap')} aria-hidden="true">
      <Strip timeline={timeline} width={width} />
      <div className={styles.shown} style={{ left, width: Math.max(6, shown) }} />
    </div>
  );
}

/** A timeline at its smallest: three rows of slivers. Also used where only a glance is wanted. */
export function Strip({ timeline, width }: { timeline: Timeline; width: number }) {
  const length = Math.max(1, timeline.endMs - timeline.startMs);
  const whole = {
    fromMs: timeline.startMs - length * 0.01,
    toMs: timeline.startMs + length * 1.02,
  };
  const x = toX(whole, width);
  return (
    <svg width={width} height={HEIGHT_PX} aria-hidden="true" className={styles.strip}>
      {LANES.flatMap((lane, row) =>
        foldSpans(timeline.lanes[lane], x, width).map(span => (
          <rect
            key={`${lane}-${span.span.seq}`}
            x={span.x.toFixed(1)}
            y={3 + row * (ROW_PX + 1)}
            width={Math.max(1.5, span.width).toFixed(1)}
            height={ROW_PX}
            rx={1}
            data-lane={lane}
          />
        )),
      )}
      {timeline.marks
        .filter(mark => mark.shape === 'error')
        .map(mark => (
          <rect key={mark.seq} x={x(mark.atMs) - 1} y={0} width={2} height={HEIGHT_PX} data-error />
        ))}
    </svg>
  );
}
