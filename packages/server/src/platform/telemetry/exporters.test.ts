import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createCertificate } from '../../../../../tools/services/certificate.ts';
import { parseHeaders } from './exporters.ts';
import { createTelemetry, incomingContext } from './index.ts';

/** Takes what exporters send and keeps it: path, headers, body as text. */
async function collector(status = 200, tls?: { key: string; cert: string }) {
  const received: { path: string; headers: Record<string, unknown>; body: string }[] = [];
  const listener: RequestListener = async (request, response) => {
    const chunks = await request.toArray();
    const body = Buffer.concat(chunks).toString('latin1');
    received.push({ path: request.url!, headers: request.headers, body });
    const answer = { itemsReceived: 1, itemsAccepted: 1, errors: [] };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const bodies = (path: string) =>
    received
      .filter(request => request.path.startsWith(path))
      .map(request => request.body)
      .join();
  return { url: `${tls ? 'https' : 'http'}://localhost:${port}`, received, bodies };
}

const COMMON = {
  level: 'info',
  format: 'json',
  serviceName: 'holdfast-test',
  revision: 'blue',
  replica: 'rep_1',
  destination: { write: () => {} },
} as const;

const parent = (sampled: boolean) => ({
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-0${sampled ? 1 : 0}`,
});

describe('OTLP', () => {
  it('gets traces and metrics, with the headers given', async () => {
    const { url, received, bodies } = await collector();
    const otlp = { endpoint: url, headers: 'x-token=a%20b,x-other=c' };
    const telemetry = await createTelemetry({ ...COMMON, otlp, sampleRatio: 1 });
    telemetry.tracer.startSpan('session.connect').end();
    telemetry.meter.createCounter('sessions_created_total').add(3, { model: 'm', user_id: 'u' });
    await telemetry.close();
    expect(bodies('/v1/traces')).toContain('session.connect');
    expect(bodies('/v1/traces')).toContain('holdfast-test');
    expect(bodies('/v1/metrics')).toContain('sessions_created_total');
    expect(bodies('/v1/metrics')).not.toContain('user_id');
    expect(received[0]!.headers).toMatchObject({ 'x-token': 'a b', 'x-other': 'c' });
  });

  it("follows the caller's decision, and decides by itself only at the root", async () => {
    const { url, bodies } = await collector();
    const telemetry = await createTelemetry({ ...COMMON, otlp: { endpoint: url }, sampleRatio: 0 });
    const { tracer } = telemetry;
    tracer.startSpan('root').end();
    tracer.startSpan('child-of-sampled', {}, incomingContext(parent(true))).end();
    tracer.startSpan('child-of-unsampled', {}, incomingContext(parent(false))).end();
    await telemetry.close();
    expect(bodies('/v1/traces')).toContain('child-of-sampled');
    expect(bodies('/v1/traces')).not.toMatch(/root|child-of-unsampled/);
  });

  it('that is away is logged once and stops nothing', async () => {
    const lines: string[] = [];
    const { url } = await collector(400);
    const telemetry = await createTelemetry({
      ...COMMON,
      otlp: { endpoint: url },
      sampleRatio: 1,
      destination: { write: line => lines.push(line) },
    });
    telemetry.tracer.startSpan('a').end();
    await telemetry.close();
    const faults = lines.filter(line => line.includes('telemetry.export_failed'));
    expect(faults).toHaveLength(1);
  });
});

describe('Azure Monitor', () => {
  it('gets every log line, also of traces that were not sampled', async () => {
    vi.stubEnv('APPLICATION_INSIGHTS_NO_STATSBEAT', '1');
    onTestFinished(() => void vi.unstubAllEnvs());
    // The exporter supports only https; this process trusts the certificate from here on.
    const { keyPem: key, certPem: cert } = await createCertificate();
    setDefaultCACertificates([...getCACertificates(), cert]);
    const { url, received } = await collector(200, { key, cert });
    const key0 = `${'0'.repeat(8)}-0000-0000-0000-${'0'.repeat(11)}1`;
    const azureConnectionString = `InstrumentationKey=${key0};IngestionEndpoint=${url}`;
    const telemetry = await createTelemetry({ ...COMMON, azureConnectionString, sampleRatio: 0 });
    const span = telemetry.tracer.startSpan('unsampled');
    telemetry.log.info('client.connected', { session_id: 'ses_1', api_key: 'hunter2' });
    span.end();
    await telemetry.close();
    const sent = received.map(({ body }) => body).join();
    expect(sent).toContain('client.connected');
    expect(sent).toContain('ses_1');
    expect(sent).not.toMatch(/hunter2|unsampled/);
  });
});

describe('without exporters', () => {
  it('spans still carry ids, the caller’s or new ones', async () => {
    const telemetry = await createTelemetry({ ...COMMON, sampleRatio: 1 });
    onTestFinished(() => telemetry.close());
    const root = telemetry.tracer.startSpan('root');
    expect(root.spanContext().traceId).toMatch(/^[0-9a-f]{32}$/);
    const child = telemetry.tracer.startSpan('child', {}, trace.setSpan(ROOT_CONTEXT, root));
    expect(child.spanContext().traceId).toBe(root.spanContext().traceId);
    const joined = telemetry.tracer.startSpan('joined', {}, incomingContext(parent(true)));
    expect(joined.spanContext().traceId).toBe('a'.repeat(32));
  });

  it('a malformed trace header counts as none', async () => {
    const telemetry = await createTelemetry({ ...COMMON, sampleRatio: 1 });
    onTestFinished(() => telemetry.close());
    for (const traceparent of ['', 'x', `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`, ['a', 'b']]) {
      const span = telemetry.tracer.startSpan('s', {}, incomingContext({ traceparent }));
      expect(span.spanContext().traceId).toMatch(/^[0-9a-f]{32}$/);
      expect(span.spanContext().traceId).not.toBe('0'.repeat(32));
    }
  });
});

describe('headers setting', () => {
  it.each([
    [null, {}],
    ['', {}],
    ['a=b', { a: 'b' }],
    ['a=b=c, d=%3D', { a: 'b=c', d: '=' }],
    ['a=%zz', { a: '%zz' }],
  ])('%j', (text, headers) => {
    expect(parseHeaders(text)).toEqual(headers);
  });
});
