import {
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  type Span,
  trace,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';

/**
 * The W3C trace context on its way in and out. Contexts are passed by hand: nothing here, or in the
 * relay's hot path, leans on AsyncLocalStorage.
 */
const propagator = new W3CTraceContextPropagator();

/** The caller's trace, from `traceparent`/`tracestate`; malformed headers count as none. */
export function incomingContext(headers: Readonly<Record<string, unknown>>): Context {
  return propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
}

/** A context whose children belong to `span`. */
export function contextOf(span: Span): Context {
  return trace.setSpan(ROOT_CONTEXT, span);
}

/** Headers that make another service's spans children of `span`. */
export function outgoingHeaders(span: Span): Record<string, string> {
  const headers: Record<string, string> = {};
  propagator.inject(contextOf(span), headers, defaultTextMapSetter);
  return headers;
}
