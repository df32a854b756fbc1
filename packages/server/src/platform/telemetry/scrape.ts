import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import {
  AggregationType,
  createAllowListAttributesProcessor,
  MetricReader,
  type ViewOptions,
} from '@opentelemetry/sdk-metrics';
import { METRICS, SERIES_MAX_PER_METRIC } from './metrics.ts';

const COLLECT_TIMEOUT_MS = 5_000;

/** Reads all metrics on demand and writes them in Prometheus' text format. */
export class ScrapeReader extends MetricReader {
  // Without target and scope info: the names and labels are exactly the declared ones.
  readonly #serializer = new PrometheusSerializer('', false, undefined, true, true);

  constructor() {
    super({ cardinalitySelector: () => SERIES_MAX_PER_METRIC });
  }

  async text(): Promise<string> {
    const { resourceMetrics } = await this.collect({ timeoutMillis: COLLECT_TIMEOUT_MS });
    return this.#serializer.serialize(resourceMetrics);
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}

/** Holds each declared metric to its description, labels, buckets and number of series. */
export function declaredViews(): ViewOptions[] {
  return Object.entries(METRICS).map(([name, metric]) => ({
    instrumentName: name,
    description: metric.description,
    attributesProcessors: [createAllowListAttributesProcessor([...metric.labels])],
    aggregationCardinalityLimit: SERIES_MAX_PER_METRIC,
    ...(metric.buckets && {
      aggregation: {
        type: AggregationType.EXPLICIT_BUCKET_HISTOGRAM,
        options: { boundaries: [...metric.buckets] },
      },
    }),
  }));
}
