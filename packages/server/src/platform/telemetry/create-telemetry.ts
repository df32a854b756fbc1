import {
  type Context,
  DiagLogLevel,
  defaultTextMapGetter,
  diag,
  ROOT_CONTEXT,
} from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import {
  AlwaysOffSampler,
  NodeTracerProvider,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import type { DestinationStream } from 'pino';
import { endsWithin } from '../../kernel/index.ts';
import { logEmitter, type OtlpOptions, openExporters } from './exporters.ts';
import { createLogger, type LogLevel } from './logger.ts';
import { observeProcess } from './process-metrics.ts';
import { declaredViews, ScrapeReader } from './prometheus.ts';
import type { Logger, Telemetry } from './telemetry.ts';

export interface TelemetryOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'text';
  readonly serviceName: string;
  readonly revision: string;
  readonly replica: string;
  readonly otlp?: OtlpOptions | null;
  readonly azureConnectionString?: string | null;
  /** Share of new traces that are kept; a caller's own decision wins. */
  readonly sampleRatio: number;
  /** Folder whose volume is measured. */
  readonly dataDir?: string;
  /** Where log lines go; default: standard output. */
  readonly destination?: DestinationStream;
}

const CLOSE_TIMEOUT_MS = 6_000;
const EXPORT_FAULT_INTERVAL_MS = 60_000;

/** Log, metrics and traces of one process. The caller closes it last. */
export async function createTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const exporters = await openExporters(options);
  const resource = resourceFromAttributes({
    'service.name': options.serviceName,
    'service.version': options.revision,
    'service.instance.id': options.replica,
  });
  const scrape = new ScrapeReader();
  const readers = [scrape, ...exporters.readers];
  const meters = new MeterProvider({ resource, readers, views: declaredViews() });
  const meter = meters.getMeter('holdfast');
  const lines = new LoggerProvider({ resource, processors: exporters.logs });
  const dropped = meter.createCounter('holdfast_log_lines_dropped_total');
  const alerts = meter.createCounter('holdfast_log_alerts_total');
  const { level, format, destination, serviceName: service, revision, replica } = options;
  const { logger: log, close: flushLog } = await createLogger(
    { level, format, base: { service, revision, replica }, destination },
    {
      onDropped: () => dropped.add(1),
      onAlert: event => alerts.add(1, { event }),
      onLine: exporters.logs.length > 0 ? logEmitter(lines) : undefined,
    },
  );
  reportExportFaults(log);
  // Without an exporter spans only carry ids for the log, so they are not recorded.
  const sampler =
    exporters.spans.length === 0
      ? new AlwaysOffSampler()
      : new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.sampleRatio) });
  const tracers = new NodeTracerProvider({ resource, sampler, spanProcessors: exporters.spans });
  meter
    .createObservableGauge('holdfast_info')
    .addCallback(result => result.observe(1, { revision, replica }));
  const stopObserving = observeProcess(meter, options.dataDir);
  return {
    log,
    meter,
    tracer: tracers.getTracer('holdfast'),
    prometheus: () => scrape.text(),
    async close(timeoutMs = CLOSE_TIMEOUT_MS) {
      stopObserving();
      // Before anything is waited for: a collector that hangs must not cost the log's last lines.
      flushLog();
      const closing = [tracers.shutdown(), lines.shutdown(), meters.shutdown()];
      // Less than it may take, so that nobody has to leave it.
      const flushMs = (Math.min(timeoutMs, CLOSE_TIMEOUT_MS) * 5) / 6;
      await endsWithin(Promise.allSettled(closing), flushMs);
      flushLog();
    },
  };
}

/** Logs failed exports at most once a minute, not once a batch. */
function reportExportFaults(log: Logger): void {
  let lastMs = Number.NEGATIVE_INFINITY;
  const report = (message: string) => {
    if (performance.now() - lastMs < EXPORT_FAULT_INTERVAL_MS) return;
    lastMs = performance.now();
    log.warn('telemetry.export_failed', { message });
  };
  const ignore = () => {};
  diag.setLogger(
    { error: report, warn: ignore, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  );
}

const propagator = new W3CTraceContextPropagator();

/**
 * The caller's trace, from `traceparent`/`tracestate`; malformed headers count as none. Contexts
 * are passed by hand: no request, and no frame of the relay, pays for AsyncLocalStorage.
 */
export function incomingContext(headers: Readonly<Record<string, unknown>>): Context {
  return propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter);
}
