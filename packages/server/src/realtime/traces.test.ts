/** What a session's span tells, and what of it reaches the provider. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EventEnvelope } from '@holdfast/protocol';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { WebRtcClient } from '../../../simulator/src/testing/webrtc-client.ts';
import { sessionIdOf, useBench } from './testing/bench.ts';
import { connectClient, eventually } from './testing/client.ts';
import { openRealtimeHost, type RealtimeHost } from './testing/host.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { code?: number };
  readonly events: { name: string; attributes: { key: string; value: object }[] }[];
}

const bench = useBench();
const spans: Span[] = [];
const collector = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString();
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  if (request.url !== '/v1/traces') return;
  const { resourceSpans } = JSON.parse(body);
  for (const { scopeSpans } of resourceSpans) {
    for (const scope of scopeSpans) spans.push(...scope.spans);
  }
});
let host: RealtimeHost;

beforeAll(async () => {
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const otlpUrl = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const upstreamUrl = bench.simulator.url;
  host = await openRealtimeHost(bench.database, { upstreamUrl, otlpUrl, dialTimeoutMs: 3_000 });
});
afterEach(() => bench.simulator.clearFaults());
afterAll(async () => {
  collector.closeAllConnections();
  collector.close();
});

const PATH = '/v1/realtime?model=gpt-realtime';
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const PARENT_ID = 'b7ad6b7169203331';
const TRACED = {
  traceparent: `00-${TRACE_ID}-${PARENT_ID}-01`,
  tracestate: 'vendor=secret',
  baggage: 'user=ann',
};

/** What the provider was sent with its newest session. */
async function askedOf(): Promise<Record<string, string>> {
  const sessions = await bench.simulator.sessions();
  return (sessions.at(-1)!.request as { headers: Record<string, string> }).headers;
}

async function logOf(id: string): Promise<EventEnvelope[]> {
  const response = await host.request(`/v1/sessions/${id}/events`);
  return ((await response.json()) as { data: EventEnvelope[] }).data;
}

const ended = (id: string) =>
  eventually(async () => {
    const log = await logOf(id);
    return log.some(event => /^session\.(ended|expired|failed)$/.test(event.type)) && log;
  });

it('continues its caller’s trace, into the log and to the provider', async () => {
  const headers = { ...TRACED, 'OpenAI-Safety-Identifier': 'user-1f3a' };
  const client = await connectClient(host.wsUrl + PATH, { headers });
  const id = await sessionIdOf(client);
  const asked = await askedOf();
  expect(asked.traceparent).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
  expect(asked.traceparent).not.toContain(PARENT_ID);
  expect(asked).toMatchObject({ 'openai-safety-identifier': 'user-1f3a' });
  expect(asked).not.toHaveProperty('tracestate');
  expect(asked).not.toHaveProperty('baggage');
  client.socket.close(1000);
  const log = await ended(id);
  expect(log.length).toBeGreaterThan(3);
  expect(new Set(log.map(event => event.trace_id))).toEqual(new Set([TRACE_ID]));
  const lines = host.telemetry.lines('bridge.completed');
  expect(lines.at(-1)).toMatchObject({ session_id: id, trace_id: TRACE_ID });
});

it('begins a trace where the caller has none, and invents no user', async () => {
  const client = await connectClient(host.wsUrl + PATH);
  const id = await sessionIdOf(client);
  const asked = await askedOf();
  expect(asked).not.toHaveProperty('openai-safety-identifier');
  client.socket.close(1000);
  const traces = new Set((await ended(id)).map(event => event.trace_id));
  expect(traces).toEqual(new Set([asked.traceparent!.split('-')[1]]));
});

it.each(['', 'with space', 'x'.repeat(129)])('refuses %j as an identifier', async identifier => {
  const headers = { 'OpenAI-Safety-Identifier': identifier };
  const client = await connectClient(host.wsUrl + PATH, { headers });
  const param = 'openai-safety-identifier';
  expect(await client.event('error')).toMatchObject({ error: { code: 'invalid_request', param } });
  expect((await client.closed).code).toBe(1008);
});

it('tells the provider whom a client secret was minted for, whatever its holder says', async () => {
  const minted = await host.request('/v1/realtime/client_secrets', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'OpenAI-Safety-Identifier': 'user-7' },
    body: JSON.stringify({ session: { type: 'realtime', model: 'gpt-realtime' } }),
  });
  const { value: bearer } = (await minted.json()) as { value: string };
  const headers = { 'OpenAI-Safety-Identifier': 'somebody-else' };
  const client = await connectClient(host.wsUrl + PATH, { bearer, headers });
  await sessionIdOf(client);
  expect(await askedOf()).toMatchObject({ 'openai-safety-identifier': 'user-7' });
  client.socket.close(1000);
  await client.closed;
});

it('passes both on with a call, which has a span below its request', async () => {
  const client = new WebRtcClient({ hasChannel: false });
  const response = await host.request('/v1/realtime/calls?model=gpt-realtime', {
    method: 'POST',
    headers: {
      ...TRACED,
      'content-type': 'application/sdp',
      'OpenAI-Safety-Identifier': 'user-9',
    },
    body: await client.offer(),
  });
  expect(response.status, await response.text()).toBe(201);
  const asked = await askedOf();
  expect(asked).toMatchObject({ 'openai-safety-identifier': 'user-9' });
  expect(asked.traceparent).toContain(TRACE_ID);
  const id = response.headers.get('holdfast-session')!;
  await host.request(`/v1/sessions/${id}/end`, { method: 'POST', headers: TRACED });
  const log = await ended(id);
  expect(new Set(log.map(event => event.trace_id))).toEqual(new Set([TRACE_ID]));
  await client.close();
});

it('exports one span a session and a call, with what happened and what went wrong', async () => {
  await bench.simulator.fault({ fault: 'refuse', status: 404, code: 'DeploymentNotFound' });
  await bench.simulator.fault({ fault: 'refuse', status: 401, routes: ['calls'] });
  const rejected = await host.request('/v1/realtime/calls?model=gpt-realtime', {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: 'v=0\nm=audio 9\n',
  });
  expect(rejected.status).toBe(502);
  const client = await connectClient(host.wsUrl + PATH, { headers: TRACED });
  expect((await client.closed).code).toBe(4000);
  await eventually(() => host.realtime.registry.size === 0);
  await host.close();
  const sessions = spans.filter(span => span.name === 'realtime.session');
  expect(sessions).toHaveLength(4);
  const first = sessions.find(span => span.traceId === TRACE_ID && span.status.code !== 2);
  expect(first).toMatchObject({ traceId: TRACE_ID, parentSpanId: PARENT_ID });
  expect(first!.events.map(event => event.name)).toEqual([
    'client.connected',
    'upstream.connected',
    'bridge.started',
    'client.disconnected',
    'session.end',
    'bridge.completed',
  ]);
  const failed = sessions.find(span => span.status.code === 2)!;
  const exception = failed.events.find(event => event.name === 'exception');
  expect(JSON.stringify(exception)).toContain('upstream answered 404');
  const calls = spans.filter(span => span.name === 'realtime.call');
  const requestOf = (call: Span) => spans.find(span => span.spanId === call.parentSpanId)!;
  const names = calls.map(call => requestOf(call).name);
  expect(names).toEqual(Array(2).fill('POST /v1/realtime/calls'));
  expect(calls.map(call => call.traceId)).toContain(TRACE_ID);
  const refused = calls.find(call => call.traceId !== TRACE_ID)!;
  for (const span of [refused, requestOf(refused)]) {
    expect(span.status.code).toBe(2);
    expect(JSON.stringify(span.events)).toContain('offer answered 401');
  }
});
