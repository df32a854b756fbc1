import { choice, httpUrl, integer, port, ratio, secret, text } from '../kinds.ts';
import { optional, setting } from '../setting.ts';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
const LOG_FORMATS = ['json', 'text'] as const;

const level = choice(LOG_LEVELS, { warning: 'warn', critical: 'fatal' });
const format = choice(LOG_FORMATS, { console: 'text' });

/** Logs, metrics and traces. */
export const telemetrySettings = {
  LOG_LEVEL: setting(level, 'info', { description: 'Least important lines that are written.' }),
  LOG_FORMAT: setting(format, 'json', {
    description: '`json` for machines, one object a line; `text` for people.',
  }),
  HOLDFAST_METRICS_PORT: optional(port, {
    description: 'Port of its own for `/metrics`. Unset: on the main port.',
    example: '9464',
  }),
  HOLDFAST_HEALTH_INTERVAL: setting(integer(5, 3600), '30', {
    description: 'Seconds between checks of dependencies that cost something.',
  }),
  OTEL_SERVICE_NAME: setting(text, 'holdfast', { description: 'Service name in telemetry.' }),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(httpUrl, {
    description: 'OTLP/HTTP collector for traces and metrics.',
    example: 'http://localhost:4318',
  }),
  OTEL_EXPORTER_OTLP_HEADERS: optional(secret(), {
    description: 'Headers for the collector: `name=value`, comma-separated.',
  }),
  APPLICATIONINSIGHTS_CONNECTION_STRING: optional(secret(), {
    description: 'Azure Monitor for traces and metrics.',
  }),
  HOLDFAST_TRACE_SAMPLE_RATIO: setting(ratio, '0.1', {
    description:
      'Share of traces that are kept when the caller has not decided. Logs are all kept.',
  }),
};
