/**
 * What crosses a wire: schemas of HTTP, WebSocket and SSE messages, error codes, the event
 * catalogue. No I/O, no dependency but zod; servers and browsers import it alike.
 */
export * from './access.ts';
export * from './budgets.ts';
export * from './catalogue.ts';
export * from './common.ts';
export * from './errors.ts';
export * from './events.ts';
export * from './health.ts';
export * from './hosted-tools.ts';
export * from './limits.ts';
export * from './realtime.ts';
export * from './recordings.ts';
export * from './roles.ts';
export * from './run-endings.ts';
export * from './run-events.ts';
export * from './runs.ts';
export * from './session-events.ts';
export * from './sessions.ts';
