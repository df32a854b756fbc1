import type { Run } from '@holdfast/protocol';
import { ActionIcon, Button, Tooltip } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { client } from '../app/services.ts';
import { Icon } from '../ui/icons.tsx';
import { Problem } from '../ui/problem.tsx';
import { State } from '../ui/state.tsx';
import typography from '../ui/typography.module.css';
import { useDownload } from '../ui/use-download.ts';
import styles from './log.module.css';
import { LogLine } from './log-line.tsx';
import { findRows, type LogRow } from './log-rows.ts';
import { LogSearch } from './log-search.tsx';
import type { RunLog } from './run-store.ts';
import type { LogSearchState } from './task-parts.ts';
import shared from './tasks.module.css';
import { useFollow } from './use-follow.ts';
import { useLineOpen, useLogRows } from './use-run-log.ts';

const LINE_PX = 20;
const OVERSCAN_ROWS = 20;

/** The log of a run while it grows. Only the rows in sight are rendered. */
export function RunLogView(props: { run: Run; log: RunLog; agent: string; own: boolean }) {
  const { run, log, agent } = props;
  const { t } = useTranslation('tasks');
  const rows = useLogRows(log);
  const frame = useRef<HTMLDivElement>(null);
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set());
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    getItemKey: index => rows[index]?.key ?? index,
    estimateSize: () => LINE_PX,
    overscan: OVERSCAN_ROWS,
  });
  const size = virtual.getTotalSize();
  const toEnd = () => {
    const element = frame.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  const follow = useFollow(frame, { size, toEnd });
  const search = useSearch(rows, log.version, index => {
    follow.stop();
    virtual.scrollToIndex(index, { align: 'center' });
  });
  const toggle = (key: string) =>
    setUnfolded(now => {
      const next = new Set(now);
      if (!next.delete(key)) next.add(key);
      return next;
    });
  // The first event holds the instruction, which is private.
  const hidden = log.events[0]?.redacted === true;
  return (
    <div className={styles.log}>
      <LogSearch search={search} lines={rows.length}>
        {props.own && <LogDownload runId={run.id} agent={agent} />}
      </LogSearch>
      {log.error !== null && <Problem error={log.error} />}
      {hidden && <p className={shared.hint}>{t('log.private')}</p>}
      {log.gap && <p className={shared.hint}>{t('log.gap')}</p>}
      <section
        ref={frame}
        className={styles.frame}
        aria-label={t('log.label', { agent })}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
        tabIndex={0}
      >
        {rows.length === 0 && <p className={shared.hint}>{t('log.empty')}</p>}
        <div className={styles.rows} style={{ height: size }}>
          {virtual.getVirtualItems().map(item => (
            <div
              key={item.key}
              ref={virtual.measureElement}
              data-index={item.index}
              data-found={item.index === search.index || undefined}
              className={styles.row}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <LogLine
                row={rows[item.index]!}
                unfolded={unfolded.has(String(item.key))}
                onToggle={() => toggle(String(item.key))}
              />
            </div>
          ))}
        </div>
      </section>
      <FollowBar live={!log.over} follow={follow} empty={rows.length === 0} />
    </div>
  );
}

/** Downloads the output of agent and tools as text, where the server permits it. */
function LogDownload({ runId, agent }: { runId: string; agent: string }) {
  const { t } = useTranslation('tasks');
  const label = t('log.download', { agent });
  const download = useDownload();
  return (
    <Tooltip label={label}>
      <ActionIcon
        component="a"
        href={client.runs.logsUrl(runId)}
        download={`${runId}.log`}
        onClick={download(client.runs.logsUrl(runId), `${runId}.log`)}
        variant="subtle"
        color="gray"
        aria-label={label}
      >
        <Icon name="download" size={16} />
      </ActionIcon>
    </Tooltip>
  );
}

function FollowBar(props: { live: boolean; empty: boolean; follow: ReturnType<typeof useFollow> }) {
  const { live, follow } = props;
  const { t } = useTranslation('tasks');
  const open = useLineOpen();
  if (props.empty) return null;
  return (
    <div className={styles.bar} role="status">
      {live && !open ? (
        <State tone="warn" mark="◐">
          {t('log.reconnecting')}
        </State>
      ) : follow.following ? (
        <span className={typography.soft}>{live ? t('log.following') : ''}</span>
      ) : (
        <>
          <span className={typography.soft}>{live ? t('log.stopped') : ''}</span>
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<Icon name="download" size={14} />}
            onClick={follow.resume}
          >
            {live ? t('log.follow') : t('log.end')}
          </Button>
        </>
      )}
    </div>
  );
}

function useSearch(
  rows: readonly LogRow[],
  version: number,
  show: (index: number) => void,
): LogSearchState {
  const [query, setQuery] = useState('');
  const [position, setPosition] = useState(0);
  const wanted = useDeferredValue(query);
  // The rows grow in place; the version changes with them.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  const found = useMemo(() => findRows(rows, wanted), [rows, wanted, version]);
  const at = found.length === 0 ? 0 : (position % found.length) + 1;
  const index = at === 0 ? -1 : found[at - 1]!;
  const latest = useRef(show);
  latest.current = show;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new search or step shows its match
  useEffect(() => {
    if (index >= 0) latest.current(index);
  }, [wanted, position]);
  return {
    query,
    setQuery: next => {
      setQuery(next);
      setPosition(0);
    },
    count: found.length,
    at,
    index,
    step: by => setPosition(now => (now + by + found.length) % Math.max(1, found.length)),
  };
}
