import type { EventDefinition } from './catalogue.ts';
import { RUN_EVENTS } from './run-events.ts';
import { SESSION_EVENTS } from './session-events.ts';

/** Every event of every kind of work; the reference page is generated from this. */
export const EVENTS = { ...SESSION_EVENTS, ...RUN_EVENTS } as const;

export type EventType = keyof typeof EVENTS;

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(EVENTS, type);
}

export function eventDefinition(type: EventType): EventDefinition<never, never> {
  return EVENTS[type] as unknown as EventDefinition<never, never>;
}
