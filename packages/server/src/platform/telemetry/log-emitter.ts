import { type AnyValueMap, SeverityNumber } from '@opentelemetry/api-logs';
import type { LoggerProvider } from '@opentelemetry/sdk-logs';
import type { LogLevel } from './logger.ts';
import type { LogFields } from './telemetry.ts';

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
