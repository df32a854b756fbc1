import { once } from 'node:events';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../kernel/index.ts';
import { HealthRegistry } from './health.ts';
import { STATUS_MAX_BYTES, STATUS_TIMEOUT_MS } from './limits.ts';
import { createStatusSocket, readStatusMetrics, statusSocketHealth } from './status-socket.ts';
import { captureTelemetry } from './testing.ts';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'holdfast-status-'));
  path = join(dir, 'worker.sock');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function worker(databaseWorks = true) {
  const { telemetry } = await captureTelemetry();
  const registry = new HealthRegistry({ clock: systemClock, log: telemetry.log });
  registry.add({
    name: 'database',
    critical: true,
    check: async () => {
      if (!databaseWorks) throw new Error('postgresql://user:hunter2@host');
      return undefined;
    },
  });
  const socket = createStatusSocket({ path, registry, metrics: telemetry });
  await socket.start?.();
  onTestFinished(async () => {
    await socket.stop?.();
    await telemetry.close();
  });
  return socket;
}

/** Another server in its place. */
async function answering(listener: RequestListener): Promise<void> {
  const server = createServer(listener).listen(path);
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise(resolve => server.close(() => resolve()));
  });
}

/** The registry of the process beside it, which asks for the worker. */
async function beside(): Promise<HealthRegistry> {
  const { telemetry } = await captureTelemetry();
  const registry = new HealthRegistry({ clock: systemClock, log: telemetry.log });
  registry.add(statusSocketHealth('worker', path));
  return registry;
}

it('serves health and metrics to its own user alone, on what a killed process left', async () => {
  await writeFile(path, 'left behind');
  await chmod(path, 0o644);
  const socket = await worker();
  const facts = await stat(path);
  expect([facts.isSocket(), facts.mode & 0o777]).toEqual([true, 0o700]);
  expect(await readStatusMetrics(path)).toContain('process_resident_memory_bytes');
  expect(await (await beside()).read()).toMatchObject({
    status: 'healthy',
    checks: { worker: { status: 'healthy', details: { checks: { database: 'healthy' } } } },
  });
  await socket.stop?.();
  expect(await readStatusMetrics(path)).toBeNull();
});

it('makes a process degraded whose worker is down or unhealthy, without the reason', async () => {
  expect((await (await beside()).read()).status).toBe('degraded');
  await worker(false);
  const answer = await (await beside()).read();
  expect(answer).toMatchObject({ status: 'degraded', checks: { worker: { status: 'unhealthy' } } });
  expect(JSON.stringify(answer)).not.toContain('hunter2');
});

it('is waited for no longer than its time limit', async () => {
  await answering(() => {});
  const startMs = performance.now();
  expect(await readStatusMetrics(path)).toBeNull();
  expect(performance.now() - startMs).toBeGreaterThan(STATUS_TIMEOUT_MS - 50);
  expect((await (await beside()).read()).status).toBe('degraded');
});

it('is read no further than its bound', async () => {
  let sentBytes = 0;
  await answering((_request, response) => {
    const chunk = Buffer.alloc(64 * 1024, 'a');
    const send = () => {
      while (!response.destroyed) {
        sentBytes += chunk.length;
        if (!response.write(chunk)) break;
      }
    };
    response.on('drain', send);
    response.on('error', () => {});
    send();
  });
  expect(await readStatusMetrics(path)).toBeNull();
  expect(sentBytes).toBeGreaterThan(STATUS_MAX_BYTES / 2);
  expect(sentBytes).toBeLessThan(3 * STATUS_MAX_BYTES);
});

it.each([
  ['no JSON', 200, 'hello'],
  ['another JSON', 200, '{"status":"healthy"}'],
  ['an error', 500, '{}'],
])('counts %s as down', async (_what, status, body) => {
  await answering((_request, response) => response.writeHead(status).end(body));
  expect((await (await beside()).read()).status).toBe('degraded');
});
