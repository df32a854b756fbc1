import type { EventEnvelope } from '@holdfast/protocol';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormats } from '../i18n/format.ts';
import tables from '../ui/table.module.css';
import typography from '../ui/typography.module.css';
import { nameKey, summary } from './describe.ts';
import styles from './timeline.module.css';

const ROW_PX = 38;
const OVERSCAN_ROWS = 12;

/** The same events as text: only the rows in sight exist, so 50,000 scroll as smoothly as 50. */
export function EventTable(props: {
  events: readonly EventEnvelope[];
  startMs: number;
  cursorSeq: number | null;
  onCursor: (seq: number) => void;
}) {
  const { events, cursorSeq } = props;
  const { t } = useTranslation('timeline');
  const frame = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: events.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW_PX,
    overscan: OVERSCAN_ROWS,
  });
  const shown = useRef(false);
  useEffect(() => {
    // Once, when the chosen event is there: later the reader decides what is in sight.
    const index = events.findIndex(event => event.seq === cursorSeq);
    if (shown.current || index < 0) return;
    shown.current = true;
    rows.scrollToIndex(index, { align: 'center' });
  }, [events, cursorSeq, rows]);
  const items = rows.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = rows.getTotalSize() - (items.at(-1)?.end ?? 0);
  return (
    <section
      className={styles.tableFrame}
      ref={frame}
      aria-label={t('table')}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
      tabIndex={0}
    >
      <table className={tables.table} aria-rowcount={events.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">{t('field.seq')}</th>
            <th scope="col">{t('field.at')}</th>
            <th scope="col">{t('field.type')}</th>
            <th scope="col">{t('field.summary')}</th>
          </tr>
        </thead>
        <tbody>
          {before > 0 && <Space px={before} />}
          {items.map(item => (
            <Row key={item.key} {...props} event={events[item.index]!} index={item.index} />
          ))}
          {after > 0 && <Space px={after} />}
        </tbody>
      </table>
    </section>
  );
}

function Row(props: {
  event: EventEnvelope;
  index: number;
  startMs: number;
  cursorSeq: number | null;
  onCursor: (seq: number) => void;
}) {
  const { event } = props;
  const { t } = useTranslation('timeline');
  const formats = useFormats();
  const chosen = event.seq === props.cursorSeq;
  return (
    <tr
      aria-rowindex={props.index + 2}
      data-chosen={chosen || undefined}
      style={{ height: ROW_PX }}
    >
      <td className={typography.num}>
        <button
          type="button"
          className={typography.linklike}
          aria-pressed={chosen}
          aria-label={t('chooseEvent', { seq: event.seq })}
          onClick={() => props.onCursor(event.seq)}
        >
          {event.seq}
        </button>
      </td>
      <td className={typography.num}>
        {formats.clock((Date.parse(event.at) - props.startMs) / 1000)}
      </td>
      <td>{t(nameKey(event.type) as never, { defaultValue: event.type })}</td>
      <td className={tables.cut}>{summary(event)}</td>
    </tr>
  );
}

function Space({ px }: { px: number }) {
  return (
    <tr style={{ height: px }}>
      <td colSpan={4} />
    </tr>
  );
}
