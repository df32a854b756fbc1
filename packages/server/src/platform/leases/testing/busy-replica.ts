/**
 * For tests: a process that takes the lease of a subject and then keeps its main loop busy for so
 * long. Prints the lease, and afterwards how long ago its heartbeat was.
 */
import { openPostgres } from '../../database/index.ts';
import { createLeases } from '../index.ts';

const [url = '', subject = '', busyMs = '0', loopStuckMs = '30000'] = process.argv.slice(2);
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
const startedMs = performance.now();
while (performance.now() - startedMs < Number(busyMs));
process.stdout.write(`${leases.sinceHeartbeatMs()}\n`);
await leases.stop();
await database.close();
