import { afterEach, describe, expect, it } from 'vitest';
import type { LifecycleState } from '../kernel/index.ts';
import { type HealthCheck, HealthRegistry, healthRoutes } from './health.ts';
import { createMetricsServer, metricsRoutes } from './metrics-endpoint.ts';
import { captureTelemetry, createTestServer, type TestServer } from './testing.ts';

let server: TestServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const up = (name: string, critical = true): HealthCheck => ({
  name,
  critical,
  check: async () => ({ details: { adapter: 'x' } }),
});
const down = (name: string, critical = true): HealthCheck => ({
  name,
  critical,
  check: async () => {
    throw new Error('password=hunter2');
  },
});

async function registry(...checks: HealthCheck[]) {
  const { telemetry, lines } = await captureTelemetry();
  const time = { nowMs: 0 };
  const clock = { nowMs: () => 1_000, monotonicMs: () => time.nowMs };
  const health = new HealthRegistry({ clock, log: telemetry.log, timeoutMs: 20 });
  for (const check of checks) health.add(check);
  return { health, time, lines };
}

describe('health', () => {
  it('is unhealthy when a critical check fails, without the reason', async () => {
    const { health, lines } = await registry(up('a'), down('b'));
    const answer = await health.read();
    expect(answer.status).toBe('unhealthy');
    expect(answer.checks.a).toMatchObject({ status: 'healthy', details: { adapter: 'x' } });
    expect(answer.checks.b).toMatchObject({ status: 'unhealthy', details: null });
    expect(JSON.stringify(answer)).not.toContain('hunter2');
    expect(lines()).toHaveLength(1);
  });

  it('is degraded when another check fails or reports it itself', async () => {
    const failing = await registry(up('a'), down('b', false));
    expect((await failing.health.read()).status).toBe('degraded');
    const saying = await registry({
      name: 'a',
      critical: true,
      check: async () => ({ status: 'degraded' }),
    });
    expect((await saying.health.read()).status).toBe('degraded');
  });

  it('counts a check that does not answer in time as failed', async () => {
    const { health } = await registry({
      name: 'a',
      critical: true,
      check: () => new Promise(() => {}),
    });
    expect((await health.read()).status).toBe('unhealthy');
  });

  it('counts a check that throws at once as failed', async () => {
    const { health } = await registry({
      name: 'a',
      critical: true,
      check: () => {
        throw new Error('at once');
      },
    });
    expect((await health.read()).status).toBe('unhealthy');
  });

  it('asks again only when the answer is five seconds old, however many ask', async () => {
    let asked = 0;
    const { health, time, lines } = await registry({
      name: 'a',
      critical: true,
      check: async () => {
        asked += 1;
        if (asked === 1) throw new Error('first');
        return {};
      },
    });
    await Promise.all([health.read(), health.read()]);
    time.nowMs = 4_999;
    expect((await health.read()).status).toBe('unhealthy');
    expect(asked).toBe(1);
    time.nowMs = 5_000;
    expect((await health.read()).status).toBe('healthy');
    expect(asked).toBe(2);
    expect(lines().map(line => line.event)).toEqual(['health.failing', 'health.recovered']);
  });
});

describe('health routes', () => {
  it('answer 503 when unhealthy, with and without the slash', async () => {
    const { health } = await registry(down('a'));
    server = await createTestServer();
    await server.http.app.register(healthRoutes(health, () => 'ready'));
    for (const url of ['/health', '/health/']) {
      const answer = await server.http.app.inject(url);
      expect([answer.statusCode, answer.json().status]).toEqual([503, 'unhealthy']);
    }
  });

  it('are ready only while ready, and alive always', async () => {
    let state: LifecycleState = 'starting';
    const { health } = await registry(up('a'));
    server = await createTestServer();
    await server.http.app.register(healthRoutes(health, () => state));
    const statuses = async () => [
      (await server!.http.app.inject('/readyz')).statusCode,
      (await server!.http.app.inject('/livez')).statusCode,
      (await server!.http.app.inject('/health')).statusCode,
    ];
    expect(await statuses()).toEqual([503, 200, 200]);
    state = 'ready';
    expect(await statuses()).toEqual([200, 200, 200]);
    state = 'draining';
    expect(await statuses()).toEqual([503, 200, 200]);
    // Probes come all day, and say nothing that is worth a span.
    await server.http.app.inject('/elsewhere');
    const answered = server.lines().filter(line => line.event === 'http.answered');
    const traced = answered.filter(line => line.trace_id !== undefined);
    expect(traced.map(line => line.route)).toEqual(['unmatched']);
  });
});

describe('metrics', () => {
  it('are served on the main port or on one of their own', async () => {
    server = await createTestServer();
    await server.http.app.register(metricsRoutes(server.telemetry));
    const answer = await server.http.app.inject('/metrics');
    expect(answer.headers['content-type']).toContain('text/plain');
    expect(answer.body).toContain('process_resident_memory_bytes');
    const own = createMetricsServer(server.telemetry, { host: '127.0.0.1', port: 0 });
    await own.start?.();
    const url = `http://127.0.0.1:${own.port()}`;
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('process_resident_memory_bytes');
    expect((await fetch(`${url}/else`)).status).toBe(404);
    await own.stop?.();
    await own.stop?.();
  });
});
