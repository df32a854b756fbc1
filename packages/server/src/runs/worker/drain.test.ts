/** A drain ends, whichever service is unreachable. */
import { beforeAll, describe, expect, it } from 'vitest';
import { startTcpProxy, type TcpProxy } from '../../../../../tools/services/tcp-proxy.ts';
import { type Database, openPostgres } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import { createProcessDoorbell } from '../../platform/doorbell/testing.ts';
import { createLog } from '../../platform/log/index.ts';
import { createPgBossQueue } from '../../platform/queue/index.ts';
import { RUN_KIND } from '../run.ts';
import { openRunsHost, type RunsHost } from '../testing/host.ts';
import { openBench, processesWith, waitFor } from './testing.ts';

const GRACE_MS = 500;
/** From the end of the grace period to the end of the worker, on a machine that is busy. */
const END_MAX_MS = 20_000;
const MARK = `hold-drain-${process.pid}`;
const HOLDS = `sh -c 'echo > new.txt; echo tool; : ${MARK}; while :; do sleep 0.1; done'`;

describe('a worker whose database is silent', () => {
  let host: RunsHost;
  let proxy: TcpProxy;
  let away: { database: Database; connectionString: string };

  beforeAll(async () => {
    const direct = await openTestDatabase();
    const { url } = direct;
    proxy = await startTcpProxy(Number(new URL(url).port));
    const through = new URL(url);
    through.port = String(proxy.port);
    const database = await openPostgres({ url: through.href, poolSize: 0, maxOverflow: 8 });
    away = { database, connectionString: through.href };
    host = await openRunsHost(direct);
    return async () => {
      proxy.silence(false);
      await host.close();
      await database.close();
      await proxy.stop();
      await direct.close();
    };
  });

  it('drains within its grace period, and another one takes the run', async () => {
    const { database } = away;
    const queue = createPgBossQueue({ ...away, telemetry: host.telemetry });
    await queue.start(RUN_KIND.queues);
    const { sealer } = host.deps;
    const log = createLog({ database, sealer, doorbell: createProcessDoorbell() });
    const mine = await host.sibling({ database, queue, log });
    const { leases, runs } = mine;
    const ports = { database, queue, log, leases, driver: runs.driver };
    const bench = await openBench(host, { ports, limits: { flushMs: 10_000 } });
    bench.agent.script = HOLDS;
    const id = await bench.begin();
    await waitFor(async () => expect(await bench.types(id)).toContain('checkpoint.saved'));
    proxy.silence(true);
    const startMs = performance.now();
    await bench.worker.drain(AbortSignal.timeout(GRACE_MS));
    await bench.worker.stop();
    await queue.stop();
    expect(performance.now() - startMs).toBeLessThan(GRACE_MS + END_MAX_MS);
    expect(processesWith(MARK)).toEqual([]);
    expect(await bench.run(id)).toMatchObject({ status: 'running' });
    proxy.silence(false);
    await mine.close();
    const other = await openBench(host, { ports: { workspaces: await bench.world.another() } });
    other.agent.script = 'test -e new.txt && echo done Resumed.';
    await host.runs.driver.wakeLost();
    expect(await other.ended(id)).toMatchObject({ status: 'succeeded', attempt: 2 });
  });
});
