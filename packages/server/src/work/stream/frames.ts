import type { EventEnvelope } from '@holdfast/protocol';
import type { Kind } from '../kinds.ts';

/** One event of a log as a stream sends it, formatted once for all who follow. */
export interface Frame {
  readonly seq: number;
  /** After this one the stream of its log is over. */
  readonly ends: boolean;
  /** `event` and `data` lines and the empty line, without an `id`. */
  readonly body: string;
  /** For views in another shape. */
  readonly event: EventEnvelope;
}

export function frameOf(event: EventEnvelope, endings: Kind['endings']): Frame {
  return {
    seq: event.seq,
    ends: endings.includes(event.type),
    body: `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
    event,
  };
}

/** Events that are no longer kept: those between `after` and `next`. */
export interface Gap {
  readonly subject: string;
  readonly after: number;
  readonly next: number;
}

/**
 * Names the events that a reader will never get, and where to read the present state instead.
 * Without an `id`: it is no event of the log.
 */
export function gapFrame(gap: Gap, kind: Pick<Kind, 'snapshotUrl'>): string {
  const { subject, after, next } = gap;
  const data = { type: 'gap', subject, after, next, snapshot_url: kind.snapshotUrl(subject) };
  return `event: gap\ndata: ${JSON.stringify(data)}\n\n`;
}
