/**
 * For tests: a process that takes the lease of a subject and then keeps its main loop busy for so
 * long, in JavaScript or, with `native`, where nothing can interrupt it. Prints the lease, and
 * afterwards how long ago its heartbeat was.
 */
import { spawnSync } from 'node:child_process';
import { openPostgres } from '../../database/index.ts';
import { createLeases } from '../index.ts';
import { LOOP_TICK_MS } from '../loop-guard.ts';

const [url = '', subject = '', busyMs = '0', loopStuckMs = '30000', how] = process.argv.slice(2);
const database = await openPostgres({ url, poolSize: 1 });
const leases = createLeases({
  database,
  url,
  revision: 'test',
  roles: ['worker'],
  loopStuckMs: Number(loopStuckMs),
});
await leases.start();
const lease = await database.transaction(trx => leases.acquire(trx, subject));
await new Promise(resolve => process.stdout.write(`${JSON.stringify(lease)}\n`, resolve));
// The thread has begun to look.
await new Promise(resolve => setTimeout(resolve, LOOP_TICK_MS));
if (how === 'native') spawnSync('sleep', [String(Number(busyMs) / 1_000)]);
const startedMs = performance.now();
while (performance.now() - startedMs < Number(busyMs));
process.stdout.write(`${leases.sinceHeartbeatMs()}\n`);
await leases.stop();
await database.close();
