import {
  EVENT_DATA_MAX_BYTES,
  EVENTS,
  type EventDefinition,
  isEventType,
} from '@holdfast/protocol';
import type { ZodRawShape } from 'zod';
import { HoldfastError } from '../../kernel/index.ts';
import type { CheckedEvent, NewEvent } from './log.ts';

const TRACE_ID = /^[0-9a-f]{32}$/;

/**
 * Holds an event against the catalogue. Throws `invalid_request` for a type or field that is not
 * declared, a wrong value, or a private field among the public ones, and `payload_too_large` above
 * `EVENT_DATA_MAX_BYTES`. Error texts name fields, never values.
 */
export function checkEvent(event: NewEvent): CheckedEvent {
  if (!isEventType(event.type)) {
    throw new HoldfastError('invalid_request', 'The event type is not in the catalogue.', {
      field: 'type',
    });
  }
  const definition = EVENTS[event.type] as unknown as EventDefinition<ZodRawShape, ZodRawShape>;
  const data = JSON.stringify(parse(event.type, 'data', definition.public, event.data));
  const secret = parse(event.type, 'private', definition.private, event.private ?? {});
  const secretText = Object.keys(secret).length === 0 ? '' : JSON.stringify(secret);
  const sizeBytes = Buffer.byteLength(data) + Buffer.byteLength(secretText);
  if (sizeBytes > EVENT_DATA_MAX_BYTES) {
    const text =
      `Event ${event.type}: data has ${sizeBytes} bytes, at most ${EVENT_DATA_MAX_BYTES} are ` +
      'allowed; larger things are artifacts.';
    throw new HoldfastError('payload_too_large', text, { field: 'data' });
  }
  if (event.traceId !== undefined && !TRACE_ID.test(event.traceId)) {
    throw new HoldfastError('invalid_request', 'A trace id has 32 hexadecimal digits.', {
      field: 'traceId',
    });
  }
  return {
    type: event.type,
    v: definition.v,
    kind: definition.kind,
    data,
    private: secretText === '' ? undefined : secret,
    traceId: event.traceId ?? null,
    sizeBytes,
  };
}

/** Whether an event was held against the catalogue before. */
export function isChecked(event: NewEvent | CheckedEvent): event is CheckedEvent {
  return typeof event.data === 'string';
}

function parse(
  type: string,
  part: 'data' | 'private',
  schema: EventDefinition<ZodRawShape, ZodRawShape>['public'],
  value: Record<string, unknown>,
): Record<string, unknown> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const names = issue?.code === 'unrecognized_keys' ? issue.keys : (issue?.path ?? []);
  const field = [part, ...names.map(String)].join('.');
  throw new HoldfastError(
    'invalid_request',
    `Event ${type}: ${field} is not as the catalogue declares it.`,
    { field },
  );
}
