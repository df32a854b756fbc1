/** See `logger.test.ts`: logs 40 MB possibly without a reader, then reports. */
import { setImmediate } from 'node:timers/promises';
import { createTelemetry } from '../index.ts';

const LINES = 40_000;
const LINE = 'x'.repeat(1000);

const telemetry = await createTelemetry({
  level: 'info',
  format: 'json',
  serviceName: 'chatty',
  revision: 'test',
  replica: 'rep_1',
  sampleRatio: 0,
});
const before = process.memoryUsage().rss;
for (let i = 0; i < LINES; i++) {
  telemetry.log.info('chatter', { LINE });
  if (i % 100 === 0) await setImmediate();
}
const text = await telemetry.prometheus();
const dropped = Number(/^holdfast_log_lines_dropped_total (\d+)$/m.exec(text)?.[1] ?? 0);
const rssGrowthMib = Math.round((process.memoryUsage().rss - before) / 1024 / 1024);
process.stderr.write(JSON.stringify({ dropped, rssGrowthMib }));
process.exit(0);
