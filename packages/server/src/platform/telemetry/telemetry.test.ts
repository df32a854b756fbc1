import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createTelemetry, METRICS, type TelemetryOptions } from './index.ts';
import { SERIES_MAX_PER_METRIC } from './metrics.ts';

async function open(options: Partial<TelemetryOptions> = {}) {
  const lines: string[] = [];
  const telemetry = await createTelemetry({
    level: 'info',
    format: 'json',
    serviceName: 'holdfast',
    revision: 'blue',
    replica: 'rep_1',
    sampleRatio: 0.1,
    destination: { write: line => lines.push(line) },
    ...options,
  });
  onTestFinished(() => telemetry.close());
  return { telemetry, lines, parsed: () => lines.map(line => JSON.parse(line)) };
}

/** Names in the exposition, as their `# TYPE` lines give them. */
function exposedTypes(text: string): Record<string, string> {
  const types = text.matchAll(/^# TYPE (\S+) (\S+)$/gm);
  return Object.fromEntries([...types].map(match => [match[1], match[2]]));
}

describe('log', () => {
  it('writes one object a line with event, level, time and what is running', async () => {
    const { telemetry, parsed } = await open();
    telemetry.log.child({ session_id: 'ses_1' }).info('client.connected', { request_id: 'req_1' });
    expect(parsed()).toEqual([
      {
        level: 'info',
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
        service: 'holdfast',
        revision: 'blue',
        replica: 'rep_1',
        session_id: 'ses_1',
        request_id: 'req_1',
        event: 'client.connected',
      },
    ]);
  });

  it('writes no field twice in one line', async () => {
    const { telemetry, lines } = await open();
    const log = telemetry.log.child({ session_id: 'ses_1', replica: 'rep_1' });
    log.info('listening', { session_id: 'ses_1', replica: 'rep_1' });
    expect(lines[0]!.match(/replica/g)).toHaveLength(1);
    expect(lines[0]!.match(/session_id/g)).toHaveLength(1);
  });

  it('leaves out what is below the level', async () => {
    const { telemetry, lines } = await open({ level: 'warn' });
    telemetry.log.info('quiet');
    telemetry.log.warn('loud');
    expect(lines).toHaveLength(1);
  });

  it('counts and marks alerts', async () => {
    const { telemetry, parsed } = await open();
    telemetry.log.alert('storage.full', { key: 'a/b' });
    expect(parsed()[0]).toMatchObject({ level: 'fatal', alert: true, event: 'storage.full' });
    expect(await telemetry.prometheus()).toContain(
      'holdfast_log_alerts_total{event="storage.full"} 1\n',
    );
  });

  it('writes errors with cause and code', async () => {
    const { telemetry, parsed } = await open();
    const cause = Object.assign(new Error('inner'), { code: 'ECONNRESET' });
    telemetry.log.error('failed', { err: new TypeError('outer', { cause }) });
    expect(parsed()[0].err).toMatchObject({
      type: 'TypeError',
      message: 'outer',
      stack: expect.stringContaining('telemetry.test.ts'),
      cause: { message: 'inner', code: 'ECONNRESET' },
    });
  });

  it('writes one readable line in text format', async () => {
    const { telemetry, lines } = await open({ format: 'text' });
    telemetry.log.info('client.connected', { request_id: 'req_1' });
    expect(lines.join('')).toMatch(/INFO.*client\.connected.*req_1.*\n$/);
  });
});

describe('exposition', () => {
  it('uses the names and labels of the older services, and no others', async () => {
    const { telemetry } = await open();
    const { meter } = telemetry;
    meter.createCounter('sessions_created_total').add(1, { model: 'gpt-realtime' });
    meter.createUpDownCounter('active_sessions_count').add(2);
    meter
      .createCounter('api_requests_total')
      .add(1, { method: 'GET', endpoint: '/v1/sessions/{id}', status_code: 200 });
    meter
      .createHistogram('request_duration_seconds')
      .record(0.3, { method: 'GET', endpoint: '/v1/sessions/{id}' });
    const text = await telemetry.prometheus();
    expect(text).toContain('sessions_created_total{model="gpt-realtime"} 1\n');
    expect(text).toContain('\nactive_sessions_count 2\n');
    expect(text).toContain(
      'api_requests_total{method="GET",endpoint="/v1/sessions/{id}",status_code="200"} 1\n',
    );
    expect(text).toContain(
      'request_duration_seconds_bucket{method="GET",endpoint="/v1/sessions/{id}",le="0.5"} 1\n',
    );
    expect(text).not.toMatch(/target_info|otel_scope/);
  });

  it('drops labels that are not declared, whatever a caller adds', async () => {
    const { telemetry } = await open();
    const counter = telemetry.meter.createCounter('sessions_created_total');
    counter.add(1, { model: 'm', user_id: 'u1' });
    counter.add(1, { model: 'm', user_id: 'u2' });
    expect(await telemetry.prometheus()).toContain('sessions_created_total{model="m"} 2\n');
  });

  it('bounds the series of a metric, declared or not', async () => {
    const { telemetry } = await open();
    for (const name of ['sessions_created_total', 'undeclared_total']) {
      const counter = telemetry.meter.createCounter(name);
      for (let i = 0; i < SERIES_MAX_PER_METRIC * 2; i++) counter.add(1, { model: `m${i}` });
      const series = (await telemetry.prometheus()).match(new RegExp(`^${name}{`, 'gm'))!;
      expect(series.length).toBeLessThanOrEqual(SERIES_MAX_PER_METRIC);
      expect(series.length).toBeGreaterThan(SERIES_MAX_PER_METRIC / 2);
    }
    expect(await telemetry.prometheus()).toContain('otel_metric_overflow="true"');
  });

  it('measures process and disk under declared names and types', async () => {
    const { telemetry } = await open({ dataDir: tmpdir() });
    const types = exposedTypes(await telemetry.prometheus());
    expect(Object.keys(types)).toEqual(
      expect.arrayContaining(['process_cpu_seconds_total', 'holdfast_disk_free_bytes']),
    );
    for (const [name, type] of Object.entries(types)) expect(METRICS[name]?.type, name).toBe(type);
  });

  it('survives a data folder that is not there', async () => {
    const { telemetry } = await open({ dataDir: '/nonexistent' });
    expect(await telemetry.prometheus()).toContain('process_resident_memory_bytes');
  });
});

describe('declarations', () => {
  const root = new URL('../..', import.meta.url).pathname;
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map(file => ({ file, text: readFileSync(join(root, file), 'utf8') }));

  it('name every instrument that the server creates', () => {
    const created = /create(?:Observable)?(?:UpDown)?(?:Counter|Gauge|Histogram)\(\s*'([^']+)'/g;
    const undeclared = sources.flatMap(({ file, text }) =>
      [...text.matchAll(created)]
        .filter(match => !Object.hasOwn(METRICS, match[1]!))
        .map(match => `${match[1]} in ${file}`),
    );
    expect(undeclared).toEqual([]);
  });

  it('have labels that cannot grow with use', () => {
    const growing = /user|session|owner|^id$|_id$|path|url|key/;
    for (const [name, { labels }] of Object.entries(METRICS)) {
      for (const label of labels) expect(label, name).not.toMatch(growing);
    }
  });
});
