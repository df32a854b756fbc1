import type { EventEnvelope } from '@holdfast/protocol';

/** The key of an event's name among the texts; a type without a text is shown as it is. */
export function nameKey(type: string): string {
  return `event.${type.replaceAll('.', '_')}`;
}

const TEXT_MAX_CHARS = 160;

/** One line about an event, in its own words where it has any. */
export function summary(event: EventEnvelope): string {
  const data = event.data;
  const text = data.text ?? data.message;
  if (typeof text === 'string') return shorten(text);
  switch (event.type) {
    case 'session.connected':
      return `${data.replica} · ${data.transport}`;
    case 'session.created':
      return `${data.model}`;
    case 'tool.called':
      return shorten(`${data.name}(${data.arguments ?? '…'})`);
    case 'tool.started':
      return shorten([data.name, data.input].filter(Boolean).join(' '));
    case 'run.started':
    case 'run.resumed':
    case 'run.requeued':
      return `${data.replica}`;
    case 'run.created':
      return shorten(String(data.instruction ?? data.agent));
    case 'workspace.ready':
      return `${data.branch}`;
    case 'model.called':
      return `${data.model}`;
    case 'tool.finished':
    case 'tool.returned':
      return shorten(String(data.output ?? ''));
    case 'response.done':
      return `${data.status}`;
    case 'session.updated':
      return Array.isArray(data.tools) ? data.tools.join(', ') : '';
    default:
      return typeof data.reason === 'string' ? data.reason : '';
  }
}

function shorten(text: string): string {
  return text.length <= TEXT_MAX_CHARS ? text : `${text.slice(0, TEXT_MAX_CHARS)}…`;
}

/** The event at or before a moment; the first where none is. Events are in order of time. */
export function eventAt(events: readonly EventEnvelope[], atMs: number): EventEnvelope | undefined {
  let low = 0;
  let high = events.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (Date.parse(events[middle]!.at) <= atMs) low = middle;
    else high = middle - 1;
  }
  return events[low];
}
