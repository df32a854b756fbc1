import type { MetricDeclaration } from '../../packages/server/src/platform/telemetry/index.ts';
import { code, heading, page, table } from './markdown.ts';

/** Every metric that `/metrics` exposes. */
export function renderMetrics(metrics: Readonly<Record<string, MetricDeclaration>>): string {
  const rows = Object.entries(metrics).map(([name, { type, labels, buckets, description }]) => [
    code(name),
    type,
    labels.map(code).join(', '),
    [description, buckets ? `Buckets: ${buckets.join(', ')}.` : ''].filter(Boolean).join(' '),
  ]);
  return page([
    ...heading('Metrics', '`packages/server/src/platform/telemetry/metrics.ts`'),
    'In Prometheus text format at `/metrics`, on the main port or on `HOLDFAST_METRICS_PORT`; the',
    'same through OTLP or Azure Monitor when these are set. Labels never carry users or sessions:',
    '`endpoint` is a route pattern, `model` an id of the catalogue. Under `npm start` every metric',
    'also has the label `process`, `server` or `worker`: both are served in one answer.',
    '',
    ...table(['metric', 'type', 'labels', 'meaning'], rows),
  ]);
}
