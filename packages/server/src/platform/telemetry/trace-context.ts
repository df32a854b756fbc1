import { type Context, defaultTextMapGetter, ROOT_CONTEXT } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';

const propagator = new W3CTraceContextPropagator();

/**
 * The caller's trace, from `traceparent`/`tracestate`; malformed headers count as none. Contexts
 * are passed by hand: no request, and no frame of the relay, pays for AsyncLocalStorage.
 */
export function incomingContext(headers: Readonly<Record<string, unknown>>): Context {
  return propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
}
