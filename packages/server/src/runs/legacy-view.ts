import type { EventEnvelope, RunStatus } from '@holdfast/protocol';
import type { View } from '../work/stream/index.ts';

/**
 * A run's stream in the shape of the seed's API: no `event` lines, the type stands in the data. An
 * event that its clients do not know becomes a `progress` with its type as message, so that no
 * number is left out.
 */
export const legacyView: View = {
  shared: true,
  write: (_subscription, frames) =>
    Buffer.from(
      frames
        .map(({ seq, event }) => {
          const data = { ...legacyData(event), event_id: seq };
          return `id: ${seq}\ndata: ${JSON.stringify(data)}\n\n`;
        })
        .join(''),
    ),
};

/** The first message of such a stream. */
export function legacyGreeting(status: RunStatus): string {
  return `data: ${JSON.stringify({ type: 'initial', status })}\n\n`;
}

function legacyData({ type, subject, data }: EventEnvelope): Record<string, unknown> {
  switch (type) {
    case 'agent.output':
      return { type: 'log', stream: data.stream, message: data.text ?? null };
    case 'run.succeeded':
      return {
        type: 'completed',
        summary: data.summary ?? null,
        patch_url: `/v1/runs/${subject}/patch`,
      };
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
