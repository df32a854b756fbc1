import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { type LogRow, LogRows } from './log-rows.ts';
import type { RunLog } from './run-store.ts';
import { runStore } from './runs-service.ts';

/** Follows a run's log while the component is shown. */
export function useRunLog(runId: string): RunLog {
  useEffect(() => runStore.watch(runId), [runId]);
  const subscribe = useCallback(
    (listener: () => void) => runStore.subscribe(runId, listener),
    [runId],
  );
  return useSyncExternalStore(subscribe, () => runStore.snapshot(runId));
}

/** False while the tab's stream is lost. */
export function useLineOpen(): boolean {
  const subscribe = useCallback((listener: () => void) => runStore.subscribeLine(listener), []);
  return useSyncExternalStore(subscribe, () => runStore.lineOpen);
}

/** The rows of a log; the same array while nothing has come, grown in place otherwise. */
export function useLogRows(log: RunLog): readonly LogRow[] {
  const [folder] = useState(() => new LogRows());
  const seen = useRef(-1);
  if (seen.current !== log.version) {
    folder.update(log.events);
    seen.current = log.version;
  }
  return folder.rows;
}
