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

/** A line of a family: `# HELP name …`, `# TYPE name …`, or a sample `name{labels} value`. */
const COMMENT = /^# (?:HELP|TYPE) (\S+) /;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
/** What the samples of a histogram have behind its name. */
const HISTOGRAM_ENDING = /_(?:bucket|count|sum)$/;

interface Family {
  readonly head: Set<string>;
  readonly samples: string[];
}

/**
 * One exposition in Prometheus' text format from those of several processes, distinguished by the
 * label `process`. All samples of a metric stand together below one description, as the format
 * demands; names and all other labels stay. Lines that are not in the format are left out.
 */
export function mergeMetrics(texts: Readonly<Record<string, string>>): string {
  const families = new Map<string, Family>();
  const familyOf = (name: string) => {
    const family = families.get(name) ?? { head: new Set(), samples: [] };
    families.set(name, family);
    return family;
  };
  for (const [process, text] of Object.entries(texts)) {
    let described = '';
    for (const line of text.split('\n')) {
      const comment = COMMENT.exec(line);
      const [, name, labels, value] = SAMPLE.exec(line) ?? [];
      if (comment !== null) {
        described = comment[1]!;
        familyOf(described).head.add(line);
      } else if (name !== undefined) {
        const isPart = name.replace(HISTOGRAM_ENDING, '') === described;
        const all = [`process="${process}"`, ...(labels ? [labels] : [])].join(',');
        familyOf(isPart ? described : name).samples.push(`${name}{${all}} ${value}`);
      }
    }
  }
  const lines = [...families.values()].flatMap(({ head, samples }) => [...head, ...samples]);
  return `${lines.join('\n')}\n`;
}
