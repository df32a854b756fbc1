import type { EventEnvelope } from '@holdfast/protocol';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useShortcut } from '../shell/shortcuts.ts';
import { eventAt } from '../timeline/describe.ts';

export interface EventCursor {
  readonly seq: number | null;
  readonly asTable: boolean;
  choose(seq: number): void;
  show(asTable: boolean): void;
}

/**
 * Which event is chosen and how the events are shown. Both stand in the address, so that a link
 * shows the same. During playback the chosen event is the newest one before the position.
 */
export function useEventCursor(
  events: readonly EventEnvelope[],
  playingAtMs: number | null,
): EventCursor {
  const search = useSearch({ from: '/sessions/$id' });
  const navigate = useNavigate({ from: '/sessions/$id' });
  const stay = { replace: true, resetScroll: false } as const;
  const choose = (at: number) => void navigate({ search: s => ({ ...s, at }), ...stay });
  const show = (table: boolean) =>
    void navigate({ search: s => ({ ...s, table: table || undefined }), ...stay });
  const asTable = search.table === true;
  useShortcut('t', () => show(!asTable));
  const played = playingAtMs === null ? undefined : eventAt(events, playingAtMs)?.seq;
  // Only a new event moves the cursor; `choose` is new at every drawing.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    if (played !== undefined && played !== search.at) choose(played);
  }, [played]);
  return { seq: search.at ?? null, asTable, choose, show };
}
