/** The part of a timeline that is on the screen, and how it moves. Pure; times in ms. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Nothing is shown closer than this. */
export const CLOSEST_MS = 2000;

/** All of it, with a little air at the right so that the newest event is not at the very edge. */
export function wholeWindow(bounds: { startMs: number; endMs: number }): Window {
  const length = Math.max(CLOSEST_MS, bounds.endMs - bounds.startMs);
  return { fromMs: bounds.startMs - length * 0.01, toMs: bounds.startMs + length * 1.02 };
}

/** Keeps a window within the whole, no shorter than the closest view. */
export function clampWindow(window: Window, whole: Window): Window {
  const wholeLength = whole.toMs - whole.fromMs;
  const length = Math.min(wholeLength, Math.max(CLOSEST_MS, window.toMs - window.fromMs));
  const fromMs = Math.min(whole.toMs - length, Math.max(whole.fromMs, window.fromMs));
  return { fromMs, toMs: fromMs + length };
}

/** Factor 0.5 shows half as much; what is at `aroundMs` stays where it is. */
export function zoom(window: Window, whole: Window, change: { factor: number; aroundMs: number }) {
  const { factor, aroundMs } = change;
  const length = window.toMs - window.fromMs;
  const wanted = Math.min(whole.toMs - whole.fromMs, Math.max(CLOSEST_MS, length * factor));
  const share = (aroundMs - window.fromMs) / length;
  const fromMs = aroundMs - share * wanted;
  return clampWindow({ fromMs, toMs: fromMs + wanted }, whole);
}

export function pan(window: Window, whole: Window, byMs: number): Window {
  return clampWindow({ fromMs: window.fromMs + byMs, toMs: window.toMs + byMs }, whole);
}

/** The same window, moved just far enough to show `atMs` with some margin. */
export function reveal(window: Window, whole: Window, atMs: number): Window {
  const margin = (window.toMs - window.fromMs) * 0.05;
  if (atMs < window.fromMs + margin) return pan(window, whole, atMs - margin - window.fromMs);
  if (atMs > window.toMs - margin) return pan(window, whole, atMs + margin - window.toMs);
  return window;
}

/** Maps a time to a pixel. */
export function toX(window: Window, widthPx: number): (atMs: number) => number {
  const scale = widthPx / (window.toMs - window.fromMs);
  return atMs => (atMs - window.fromMs) * scale;
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400];
const TICK_PX = 84;

/** Round moments for the axis, as offsets from the start of the work, about 84 px apart. */
export function ticks(window: Window, widthPx: number, startMs: number): number[] {
  const perTickS = ((window.toMs - window.fromMs) / 1000 / Math.max(1, widthPx)) * TICK_PX;
  const stepMs = (STEPS_S.find(step => step >= perTickS) ?? 28_800) * 1000;
  const first = Math.max(0, Math.ceil((window.fromMs - startMs) / stepMs) * stepMs);
  const found: number[] = [];
  for (let at = first; startMs + at <= window.toMs; at += stepMs) found.push(at);
  return found;
}
