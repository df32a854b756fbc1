import type { Mark, Span } from './build.ts';

/**
 * Keeps the drawing small however long the work was: what would fall on the same few pixels is
 * drawn once. The number of shapes is bounded by the screen's width, not by the log's length.
 */
export interface FoldedMark {
  readonly x: number;
  readonly marks: readonly Mark[];
  readonly shape: Mark['shape'];
}

const MARK_GAP_PX = 9;
const SPAN_GAP_PX = 0.4;
const SPAN_MIN_PX = 1;
const RANK = { error: 2, life: 1, dot: 0 } as const;

/** Groups marks that would overlap; a group shows the shape of its gravest mark. */
export function foldMarks(
  marks: readonly Mark[],
  x: (atMs: number) => number,
  widthPx: number,
): FoldedMark[] {
  const groups: { x: number; marks: Mark[]; shape: Mark['shape'] }[] = [];
  for (const mark of marks) {
    const at = x(mark.atMs);
    if (at < -MARK_GAP_PX || at > widthPx + MARK_GAP_PX) continue;
    const last = groups.at(-1);
    if (last && at - last.x < MARK_GAP_PX) {
      last.marks.push(mark);
      if (RANK[mark.shape] > RANK[last.shape]) last.shape = mark.shape;
    } else {
      groups.push({ x: at, marks: [mark], shape: mark.shape });
    }
  }
  return groups;
}

export interface FoldedSpan {
  readonly x: number;
  readonly width: number;
  readonly span: Span;
  /** How many spans are in this one shape. */
  readonly count: number;
  /** Up to the next shape on the lane: as far as the words may run. */
  readonly room: number;
}

/** Joins spans whose gap is too small to be seen when they are slivers themselves. */
export function foldSpans(
  spans: readonly Span[],
  x: (atMs: number) => number,
  widthPx: number,
): FoldedSpan[] {
  const folded: { x: number; width: number; span: Span; count: number; room: number }[] = [];
  for (const span of spans) {
    const from = x(span.startMs);
    const to = Math.max(from + SPAN_MIN_PX, x(span.endMs));
    if (to < 0 || from > widthPx) continue;
    const last = folded.at(-1);
    const sliver = to - from < 4 && last !== undefined && last.width < 40;
    if (last && sliver && from - (last.x + last.width) < SPAN_GAP_PX) {
      last.width = Math.max(last.width, to - last.x);
      last.count++;
    } else {
      if (last) last.room = from - last.x;
      folded.push({ x: from, width: to - from, span, count: 1, room: widthPx - from });
    }
  }
  return folded;
}
