/**
 * Structured log, metrics, traces.
 *
 * `createTelemetry` is called first and closed last. Log lines are bounded and free of secrets
 * (`bound-fields.ts`); metrics are declared in `metrics.ts`, which also bounds their labels; traces
 * are sampled at the root, with the caller's decision respected. Exporters are optional and never
 * hold anything up: their queues are bounded, their failures are one log line a minute.
 *
 * Contexts are passed by hand (`trace-context.ts`); there is no AsyncLocalStorage.
 */
export { createTelemetry, type TelemetryOptions } from './create-telemetry.ts';
export { mergeMetrics } from './merge-metrics.ts';
export { METRICS, type MetricDeclaration } from './metrics.ts';
export type { Logger, Telemetry } from './telemetry.ts';
export { incomingContext } from './trace-context.ts';
