import type { EventEnvelope } from '@holdfast/protocol';
import { cursorText } from './cursor.ts';
import type { Frame } from './frames.ts';
import type { Strand, View } from './line.ts';

/** A run's own stream: `id` is the event's number. Written once for all who follow it. */
export const runView: View = {
  shared: true,
  write: (_strand, frames) =>
    Buffer.from(frames.map(frame => `id: ${frame.seq}\n${frame.body}`).join('')),
};

/** Many logs: `id` says where each of them stands after the event. */
export function manyView(strands: readonly Strand[]): View {
  return {
    shared: false,
    write(strand, frames) {
      const positions = new Map(strands.map(one => [one.subject, one.position]));
      return frames
        .map(frame => {
          positions.set(strand.subject, frame.seq);
          return `id: ${cursorText(positions)}\n${frame.body}`;
        })
        .join('');
    },
  };
}

/**
 * The stream of the seed's API: no `event` lines, the type stands in the data. An event that its
 * clients do not know is a `progress` with our type as its message, so that no number is left out.
 */
export const dursorView: View = {
  shared: true,
  write: (_strand, frames) => Buffer.from(frames.map(dursorFrame).join('')),
};

function dursorFrame({ seq, event }: Frame): string {
  return `id: ${seq}\ndata: ${JSON.stringify({ ...dursorData(event), event_id: seq })}\n\n`;
}

export function dursorInitial(status: string): string {
  return `data: ${JSON.stringify({ type: 'initial', status })}\n\n`;
}

function dursorData({ type, subject, data }: EventEnvelope): Record<string, unknown> {
  const patch_url = `/v1/runs/${subject}/patch`;
  switch (type) {
    case 'agent.output':
      return { type: 'log', stream: data.stream, message: data.text ?? null };
    case 'run.succeeded':
      return { type: 'completed', summary: data.summary ?? null, patch_url };
    case 'run.failed':
      return { type: 'failed', error: data.message ?? data.reason };
    case 'run.canceled':
      return { type: 'cancelled' };
    case 'agent.message':
      return { type: 'progress', message: data.text ?? type };
    case 'tool.started':
      return { type: 'progress', message: String(data.name) };
    default:
      return { type: 'progress', message: type };
  }
}
