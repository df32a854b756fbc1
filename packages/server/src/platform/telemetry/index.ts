/**
 * Structured log, metrics, traces.
 *
 * `createTelemetry` is called first and closed last. Log lines are bounded and free of secrets
 * (`bound-fields.ts`); metrics are declared in `metrics.ts`, which also bounds their labels; traces
 * are sampled at the root, with the caller's decision respected. Exporters are optional and never
 * hold anything up: their queues are bounded, their failures are one log line a minute.
 *
 * Contexts are passed by hand (`incomingContext`); there is no AsyncLocalStorage.
 */
export { boundText } from './bound-fields.ts';
export { createTelemetry, incomingContext, type TelemetryOptions } from './create-telemetry.ts';
export { METRICS, type MetricDeclaration } from './metrics.ts';
export { mergeMetrics } from './prometheus.ts';
export type { Logger, Telemetry } from './telemetry.ts';
export { startTrace, type Trace, traceLog } from './trace.ts';
