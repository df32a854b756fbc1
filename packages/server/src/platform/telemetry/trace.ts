import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace as traceApi,
} from '@opentelemetry/api';
import { boundText } from './bound-fields.ts';
import type { LogFields, Logger } from './telemetry.ts';

/**
 * One span, handed on as a value: it may be as short as a request or as long as a session, and
 * nothing here depends on which turn of the event loop is running. Its ids are valid whether it is
 * recorded or not. A span keeps its first 128 events (OpenTelemetry's default); the log has all.
 */
export interface Trace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** This span as the W3C header of that name. */
  readonly traceparent: string;
  /** For spans below this one. */
  readonly context: Context;
  set(attributes: Attributes): void;
  event(name: string, fields?: LogFields): void;
  /** Records an exception; the span counts as failed. */
  fail(error: unknown): void;
  end(): void;
}

export interface TraceOptions {
  /** Default: the beginning of a trace. */
  readonly parent?: Context | undefined;
  readonly attributes?: Attributes;
}

export function startTrace(tracer: Tracer, name: string, options: TraceOptions = {}): Trace {
  const { parent = ROOT_CONTEXT, attributes = {} } = options;
  const span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
  const context = span.spanContext();
  const flags = context.traceFlags & TraceFlags.SAMPLED;
  return {
    traceId: context.traceId,
    traceparent: `00-${context.traceId}-${context.spanId}-0${flags}`,
    context: traceApi.setSpan(parent, span),
    set: more => void span.setAttributes(more),
    event: (event, fields) => void span.addEvent(event, attributesOf(fields)),
    fail(error) {
      const { name: type, message } = error instanceof Error ? error : new Error(String(error));
      const { stack = '' } = error instanceof Error ? error : {};
      span.recordException({ name: type, message: boundText(message), stack: boundText(stack) });
      span.setStatus({ code: SpanStatusCode.ERROR, message: boundText(message) });
    },
    end: () => span.end(),
  };
}

/** A logger whose lines are events of a span, too; an error in one of level `error` fails it. */
export function traceLog(log: Logger, trace: Trace): Logger {
  const also =
    (level: 'info' | 'warn' | 'error' | 'alert') => (event: string, fields?: LogFields) => {
      log[level](event, fields);
      trace.event(event, fields);
      const error = fields?.error;
      if (error instanceof Error && (level === 'error' || level === 'alert')) trace.fail(error);
    };
  return {
    debug: (event, fields) => log.debug(event, fields),
    info: also('info'),
    warn: also('warn'),
    error: also('error'),
    alert: also('alert'),
    child: fields => traceLog(log.child(fields), trace),
  };
}

/** Plain values only, without secrets: what is nested stays in the log. */
function attributesOf(fields: LogFields = {}): Attributes {
  const attributes: Attributes = {};
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') attributes[name] = boundText(value);
    if (typeof value === 'number' || typeof value === 'boolean') attributes[name] = value;
  }
  return attributes;
}
