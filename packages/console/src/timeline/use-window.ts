import { useMemo, useState } from 'react';
import { clampWindow, reveal, type Window, wholeWindow, zoom } from './window.ts';

export interface WindowView {
  readonly window: Window;
  readonly whole: Window;
  /** All of it is shown, and the right edge moves with the present. */
  readonly following: boolean;
  set(change: (window: Window) => Window): void;
  fit(): void;
  zoomBy(factor: number): void;
  /** Moves just far enough to show a moment. */
  show(atMs: number): void;
  /** Handles a key; false where it means nothing here. */
  key(key: string): boolean;
}

const STEP = 0.6;

/** The part of the timeline that is shown: all of it until the reader zooms or moves it. */
export function useWindow(timeline: { startMs: number; endMs: number }, live: boolean): WindowView {
  const [chosen, setChosen] = useState<Window | null>(null);
  const { startMs, endMs } = timeline;
  const whole = useMemo(() => wholeWindow({ startMs, endMs }), [startMs, endMs]);
  const window = useMemo(
    () => (chosen === null ? whole : clampWindow(chosen, whole)),
    [chosen, whole],
  );
  const set = (change: (window: Window) => Window) => {
    const next = change(window);
    const all = next.toMs - next.fromMs >= whole.toMs - whole.fromMs - 1;
    setChosen(all ? null : next);
  };
  const zoomBy = (factor: number) =>
    set(w => zoom(w, whole, { factor, aroundMs: (w.fromMs + w.toMs) / 2 }));
  return {
    window,
    whole,
    following: live && chosen === null,
    set,
    fit: () => setChosen(null),
    zoomBy,
    show: atMs => {
      if (chosen !== null) set(w => reveal(w, whole, atMs));
    },
    key: key => {
      if (key === '+' || key === '=') zoomBy(STEP);
      else if (key === '-') zoomBy(1 / STEP);
      else if (key === '0') setChosen(null);
      else return false;
      return true;
    },
  };
}
