import type { Meter, Tracer } from '@opentelemetry/api';

/** Fields of one log line. Never secrets, never audio, never private text. */
export type LogFields = Record<string, unknown>;

/**
 * Structured log. The event name is the message (`client.connected`); facts are fields. Lines are
 * bounded: a longer field is cut and marked.
 */
export interface Logger {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** An operator must act now (storage full, data at risk): level `fatal`, with `alert: true`. */
  alert(event: string, fields?: LogFields): void;
  child(fields: LogFields): Logger;
}

export interface Telemetry {
  readonly log: Logger;
  /** OpenTelemetry's meter; the Prometheus endpoint and any collector read the same metrics. */
  readonly meter: Meter;
  readonly tracer: Tracer;
  /** The Prometheus text exposition. */
  prometheus(): Promise<string>;
  /** Flushes exporters, for five sixths of `timeoutMs` at most; default 5 s. */
  close(timeoutMs?: number): Promise<void>;
}
