import pino, { type DestinationStream, type Logger as Pino } from 'pino';
import { boundFields, boundText } from './bound-fields.ts';
import type { LogFields, Logger } from './telemetry.ts';

const LOG_BUFFER_MAX_BYTES = 4 * 1024 * 1024;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'text';
  /** Stand in every line: service, revision, replica. */
  readonly base: LogFields;
  /** Default: standard output. */
  readonly destination?: DestinationStream;
}

export interface LogHooks {
  /** A line was dropped because standard output is not read. */
  onDropped(): void;
  onAlert(event: string): void;
  /** Every line that passes the level, already bounded; for exporters. */
  onLine?(level: LogLevel, event: string, fields: LogFields): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** `close` waits for what is buffered; later lines are still written, line by line. */
export interface LogSink {
  readonly logger: Logger;
  close(): void;
}

/**
 * The log on standard output. Writing does not block: for a stuck reader up to
 * `LOG_BUFFER_MAX_BYTES` are kept, then lines are dropped and counted. Alerts are flushed at once.
 */
export async function createLogger(options: LogOptions, hooks: LogHooks): Promise<LogSink> {
  const stdout = options.destination ? undefined : openStdout(hooks);
  const target = options.destination ?? stdout!;
  const stream = options.format === 'text' ? await prettyStream(target) : target;
  const root = pino(
    {
      level: options.level,
      messageKey: 'event',
      base: options.base,
      timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
      // Errors are plain objects by then; pino's own serializer would not recognise them.
      serializers: { err: value => value },
    },
    stream,
  );
  const flush = () => stdout?.flushSync();
  return { logger: wrap(root, options.base, hooks, flush), close: flush };
}

function openStdout(hooks: LogHooks) {
  const stdout = pino.destination({ fd: 1, sync: false, maxLength: LOG_BUFFER_MAX_BYTES });
  stdout.on('drop', hooks.onDropped);
  // A closed pipe must not end the server: only the log's reader is gone.
  stdout.on('error', hooks.onDropped);
  return stdout;
}

/** Loaded only for the text format. */
async function prettyStream(target: DestinationStream): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty');
  const format = prettyFactory({
    colorize: process.stdout.isTTY === true,
    messageKey: 'event',
    timestampKey: 'timestamp',
    ignore: 'service,revision,replica',
    singleLine: true,
  });
  return { write: line => target.write(format(line) ?? '') };
}

function wrap(target: Pino, inherited: LogFields, hooks: LogHooks, flush: () => void): Logger {
  const write = (level: LogLevel, event: string, fields?: LogFields) => {
    if (!target.isLevelEnabled(level)) return;
    const bounded = fields ? without(boundFields(fields), inherited) : {};
    const name = boundText(event, 200);
    target[level](bounded, name);
    hooks.onLine?.(level, name, { ...inherited, ...bounded });
  };
  return {
    debug: (event, fields) => write('debug', event, fields),
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
    alert: (event, fields) => {
      write('fatal', event, { ...fields, alert: true });
      hooks.onAlert(event);
      flush();
    },
    child: fields => {
      const bounded = without(boundFields(fields), inherited);
      return wrap(target.child(bounded), { ...inherited, ...bounded }, hooks, flush);
    },
  };
}

/** Leaves out fields that the line already has with the same value. */
function without(fields: LogFields, inherited: LogFields): LogFields {
  const entries = Object.entries(fields);
  const fresh = entries.filter(([name, value]) => inherited[name] !== value);
  return fresh.length === entries.length ? fields : Object.fromEntries(fresh);
}
