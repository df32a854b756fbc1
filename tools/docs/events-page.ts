import { z } from 'zod';
import { EVENTS, eventEnvelope } from '../../packages/protocol/src/index.ts';
import { code, heading, page, table } from './markdown.ts';
import { type JsonSchema, propertyRows } from './schema-text.ts';

/** The event catalogue: every type that may stand in a log, with its fields. */
export function renderEvents(): string {
  const lines = [
    ...heading('Events', '`packages/protocol/src/session-events.ts`'),
    'What the log of a piece of work may contain. Every reader gets the same envelope; fields',
    'marked private are stored encrypted and shown to the creator and to Admins only (`redacted`',
    'is true where they were left out).',
    '',
    '## Envelope',
    '',
    ...table(['field', 'type', 'meaning'], propertyRows(schemaOf(eventEnvelope))),
  ];
  for (const [type, event] of Object.entries(EVENTS)) {
    const shown = propertyRows(schemaOf(event.public)).map(row => [...row, '']);
    const hidden = propertyRows(schemaOf(event.private)).map(row => [...row, 'private']);
    lines.push('', `## ${code(type)}`, '', `${event.description} (${event.kind}, v${event.v})`, '');
    const rows = [...shown, ...hidden];
    lines.push(
      ...(rows.length > 0 ? table(['field', 'type', 'meaning', ''], rows) : ['No fields.']),
    );
  }
  return page(lines);
}

function schemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema) as JsonSchema;
}
