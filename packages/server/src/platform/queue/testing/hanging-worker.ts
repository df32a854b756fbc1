/** For tests: a process that takes one job, reports it on its output, and never finishes it. */
import { openPostgres } from '../../database/index.ts';
import { recordTelemetry } from '../../log/testing.ts';
import { createPgBossQueue } from '../index.ts';

const url = process.argv[2] ?? '';
const database = await openPostgres({ url, poolSize: 0, maxOverflow: 2 });
const telemetry = await recordTelemetry();
const queue = createPgBossQueue({ database, telemetry, connectionString: url });
await queue.start([{ name: 'agent' }]);
await queue.work('agent', { concurrency: 1 }, async job => {
  process.stdout.write(`took ${job.id}\n`);
  await new Promise(() => {});
});
