import { type AnyValueMap, SeverityNumber } from '@opentelemetry/api-logs';
import type { LoggerProvider, LogRecordProcessor } from '@opentelemetry/sdk-logs';
import { type IMetricReader, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import type { LogLevel } from './logger.ts';
import type { LogFields } from './telemetry.ts';

const METRIC_EXPORT_INTERVAL_MS = 60_000;
const EXPORT_TIMEOUT_MS = 10_000;
/** Spans or lines waiting for a slow collector; more are dropped. */
const EXPORT_QUEUE_MAX = 2_048;

export interface Exporters {
  readonly readers: IMetricReader[];
  readonly spans: SpanProcessor[];
  readonly logs: LogRecordProcessor[];
}

export interface OtlpOptions {
  /** Base address of an OTLP/HTTP collector; `/v1/traces` and `/v1/metrics` are appended. */
  readonly endpoint: string;
  /** As in OTEL_EXPORTER_OTLP_HEADERS: `name=value`, comma-separated, values URL-encoded. */
  readonly headers?: string | null;
}

/** Exporters are loaded only when they are set: they are large, and most machines need none. */
export async function openExporters(options: {
  readonly otlp?: OtlpOptions | null;
  readonly azureConnectionString?: string | null;
}): Promise<Exporters> {
  const exporters: Exporters = { readers: [], spans: [], logs: [] };
  if (options.otlp) await addOtlp(exporters, options.otlp);
  if (options.azureConnectionString) await addAzure(exporters, options.azureConnectionString);
  return exporters;
}

async function addOtlp(exporters: Exporters, otlp: OtlpOptions): Promise<void> {
  const [{ OTLPTraceExporter }, { OTLPMetricExporter }] = await Promise.all([
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/exporter-metrics-otlp-http'),
  ]);
  const common = { headers: parseHeaders(otlp.headers), timeoutMillis: EXPORT_TIMEOUT_MS };
  const at = (path: string) => ({ ...common, url: `${otlp.endpoint}${path}` });
  exporters.spans.push(batched(new OTLPTraceExporter(at('/v1/traces')) as unknown as SpanExporter));
  exporters.readers.push(periodic(new OTLPMetricExporter(at('/v1/metrics'))));
}

async function addAzure(exporters: Exporters, connectionString: string): Promise<void> {
  const [azure, { BatchLogRecordProcessor }] = await Promise.all([
    import('@azure/monitor-opentelemetry-exporter'),
    import('@opentelemetry/sdk-logs'),
  ]);
  const options = { connectionString, disableOfflineStorage: true };
  exporters.spans.push(batched(new azure.AzureMonitorTraceExporter(options)));
  exporters.readers.push(periodic(new azure.AzureMonitorMetricExporter(options)));
  // A plain batch: whether the line's trace was sampled makes no difference.
  const exporter = new azure.AzureMonitorLogExporter(options);
  exporters.logs.push(new BatchLogRecordProcessor({ exporter, ...batchLimits } as never));
}

const batchLimits = { maxQueueSize: EXPORT_QUEUE_MAX, exportTimeoutMillis: EXPORT_TIMEOUT_MS };

function batched(exporter: SpanExporter): SpanProcessor {
  return new BatchSpanProcessor(exporter, batchLimits);
}

function periodic(
  exporter: ConstructorParameters<typeof PeriodicExportingMetricReader>[0]['exporter'],
): IMetricReader {
  return new PeriodicExportingMetricReader({
    exporter,
    exportIntervalMillis: METRIC_EXPORT_INTERVAL_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
  });
}

export function parseHeaders(text: string | null | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').filter(pair => pair.includes('='));
  return Object.fromEntries(
    pairs.map(pair => {
      const split = pair.indexOf('=');
      return [pair.slice(0, split).trim(), decode(pair.slice(split + 1).trim())];
    }),
  );
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const SEVERITY: Record<LogLevel, SeverityNumber> = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
  fatal: SeverityNumber.FATAL,
};

/** Copies each log line to the exporters, whether or not its trace was sampled. */
export function logEmitter(provider: LoggerProvider) {
  const logger = provider.getLogger('holdfast');
  return (level: LogLevel, event: string, fields: LogFields): void => {
    logger.emit({
      severityNumber: SEVERITY[level],
      severityText: level.toUpperCase(),
      body: event,
      attributes: fields as AnyValueMap,
    });
  };
}
