import { type EventEnvelope, isRunEnding } from '@holdfast/protocol';

/** One event of a log as a stream sends it, formatted once for all who follow. */
export interface Frame {
  readonly seq: number;
  /** After this one a run's stream is over. */
  readonly ends: boolean;
  /** `event` and `data` lines and the empty line, without an `id`. */
  readonly body: string;
  /** For views in another shape. */
  readonly event: EventEnvelope;
}

export function frameOf(event: EventEnvelope): Frame {
  return {
    seq: event.seq,
    ends: isRunEnding(event.type),
    body: `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`,
    event,
  };
}

/**
 * Says in so many words that events between `after` and `next` are no longer kept, and where to
 * read how things stand. Without an `id`: it is no event of the log.
 */
export function gapFrame(gap: { subject: string; after: number; next: number }): string {
  const snapshot_url = gap.subject.startsWith('run_')
    ? `/v1/runs/${gap.subject}`
    : `/v1/sessions/${gap.subject}`;
  return `event: gap\ndata: ${JSON.stringify({ type: 'gap', ...gap, snapshot_url })}\n\n`;
}
