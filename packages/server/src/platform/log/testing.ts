/**
 * For tests of what stands on the log: a log with its sealer and doorbell on a test database, and a
 * telemetry that can be read back.
 */
import { randomBytes } from 'node:crypto';
import { newId } from '../../kernel/index.ts';
import type { Database } from '../database/index.ts';
import type { Doorbell } from '../doorbell/index.ts';
import { createProcessDoorbell } from '../doorbell/testing.ts';
import { createSealer, type MasterKeySource, masterKeysFromText } from '../secrets/index.ts';
import { createTelemetry, type Telemetry } from '../telemetry/index.ts';
import { createLog } from './create-log.ts';
import type { Log } from './log.ts';

export interface TestLog {
  readonly log: Log;
  /** Registers a session's subject and answers its id. */
  newSession(): Promise<string>;
}

export function openTestLog(
  database: Database,
  options: { doorbell?: Doorbell; telemetry?: Telemetry } = {},
): TestLog {
  const log = createLog({
    database,
    sealer: createSealer({ database, masterKeys: randomMasterKey() }),
    doorbell: options.doorbell ?? createProcessDoorbell(),
    telemetry: options.telemetry,
  });
  return {
    log,
    async newSession() {
      const id = newId('ses');
      const owner = { projectId: 'prj_test', createdBy: 'usr_test' };
      await database.transaction(trx => log.create(trx, { id, kind: 'session', ...owner }));
      return id;
    },
  };
}

export function randomMasterKey(): MasterKeySource {
  const keys = masterKeysFromText(randomBytes(32).toString('base64'));
  return { load: async () => keys };
}

/** A doorbell whose rings are all lost on the way. */
export function createLossyDoorbell(): Doorbell {
  return {
    adapter: 'lossy',
    ring() {},
    onRing: () => () => {},
    async ping() {},
    async close() {},
  };
}

export interface RecordedTelemetry extends Telemetry {
  /** Names of the log events so far, in order. */
  events(): string[];
  /** The log lines of that name so far. */
  lines(event: string): Record<string, unknown>[];
  /** Everything that was logged, as text. */
  text(): string;
  /** The sum of a metric's series, or undefined when it has none. */
  metric(name: string): Promise<number | undefined>;
}

/** With `otlpUrl` all spans go to the collector there. */
export async function recordTelemetry(otlpUrl?: string): Promise<RecordedTelemetry> {
  const lines: string[] = [];
  const telemetry = await createTelemetry({
    level: 'debug',
    format: 'json',
    serviceName: 'test',
    revision: 'test',
    replica: 'rep_test',
    sampleRatio: otlpUrl === undefined ? 0 : 1,
    otlp: otlpUrl === undefined ? null : { endpoint: otlpUrl },
    destination: {
      write(line: string) {
        lines.push(line);
      },
    },
  });
  return {
    ...telemetry,
    events: () => lines.map(line => (JSON.parse(line) as { event: string }).event),
    lines: event =>
      lines
        .map(line => JSON.parse(line) as Record<string, unknown>)
        .filter(line => line.event === event),
    text: () => lines.join(''),
    async metric(name) {
      const values = (await telemetry.prometheus())
        .split('\n')
        .filter(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
        .map(line => Number(line.split(' ').at(-1)));
      return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value);
    },
  };
}
