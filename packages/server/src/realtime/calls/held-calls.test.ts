import { sql } from 'kysely';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebRtcClient } from '../../../../simulator/src/testing/webrtc-client.ts';
import { HoldfastError } from '../../kernel/index.ts';
import { useBench } from '../testing/bench.ts';
import { connectClient, eventually } from '../testing/client.ts';
import {
  type HostOptions,
  modelsAt,
  openRealtimeHost,
  type RealtimeHost,
} from '../testing/host.ts';

/** Who holds a call, who gives it up, and that somebody hangs it up. */
const bench = useBench();
const open: { close(): Promise<void> }[] = [];

// The sweeps of these tests are made by hand: nothing else may adopt a call.
beforeAll(() => bench.host.realtime.sweep.stop());
const earlier = new Set<unknown>();
beforeEach(async () => {
  for (const { id } of await bench.simulator.sessions()) earlier.add(id);
});
afterEach(async () => {
  await bench.simulator.clearFaults();
  for (const one of open.splice(0).reverse()) await one.close();
});

async function hostWith(options: Partial<HostOptions> = {}): Promise<RealtimeHost> {
  const { database, simulator } = bench;
  const host = await openRealtimeHost(database, { upstreamUrl: simulator.url, ...options });
  await host.realtime.sweep.stop();
  open.push(host);
  return host;
}

/** A call as its browser asks for it; the browser may yet be connecting when this answers. */
async function ask(host: RealtimeHost) {
  const client = new WebRtcClient();
  open.push(client);
  const response = await host.request('/v1/realtime/calls?model=gpt-realtime', {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: await client.offer(),
  });
  expect(response.status).toBe(201);
  return {
    callId: response.headers.get('location')!.split('/').at(-1)!,
    sessionId: response.headers.get('holdfast-session')!,
    connected: client.accept(await response.text()),
    client,
  };
}

async function place(host: RealtimeHost) {
  const { connected, ...call } = await ask(host);
  await connected;
  return call;
}

/** A call that goes on at the provider and that nobody holds. */
async function orphan() {
  const host = await hostWith();
  const call = await place(host);
  await host.realtime.registry.stop();
  expect(await bench.session(call.sessionId)).toMatchObject({ state: 'connected', replica: null });
  return call;
}

const allHungUp = () =>
  eventually(async () => {
    const records = await bench.simulator.sessions();
    const own = records.filter(({ id, transport }) => transport === 'webrtc' && !earlier.has(id));
    return own.length > 0 && own.every(({ state }) => state === 'closed');
  });

const attachments = (host: RealtimeHost, sessionId: string) =>
  host.telemetry
    .text()
    .split('\n')
    .filter(line => line.includes(sessionId) && line.includes('upstream.connected')).length;

describe('an upstream that opens the sideband and drops it', () => {
  const limits = { attachAttempts: 3, backoffMinMs: 1, backoffMaxMs: 2 };

  it('at once: is asked a bounded number of times, and the call is hung up', async () => {
    await bench.simulator.fault({ fault: 'drop', routes: ['sideband'] });
    const host = await hostWith({ callLimits: limits });
    // The call is hung up within milliseconds, perhaps before its media ever connects.
    const { sessionId } = await ask(host);
    expect(await bench.settled(sessionId, 'expired')).toMatchObject({
      close_reason: 'upstream_lost',
    });
    expect(attachments(host, sessionId)).toBeLessThanOrEqual(3);
    await allHungUp();
  });

  it('after long enough: is asked again, as if for the first time', async () => {
    await bench.simulator.fault({ fault: 'drop', routes: ['sideband'], times: 5 });
    const host = await hostWith({ callLimits: { ...limits, stableAfterMs: 0 } });
    const { sessionId } = await place(host);
    await eventually(() => attachments(host, sessionId) === 6);
    expect(await bench.session(sessionId)).toMatchObject({ state: 'connected' });
    await bench.host.request(`/v1/sessions/${sessionId}/end`, { method: 'POST' });
    await bench.settled(sessionId, 'ended');
  });
});

it('costs what it has used on every process that held it', async () => {
  // 500 × 32 + 250 × 64 for a million: $0.032.
  const usage = {
    input_tokens: 500,
    input_token_details: { audio_tokens: 500 },
    output_tokens: 250,
    output_token_details: { audio_tokens: 250 },
  };
  await bench.simulator.behave({ script: [{ usage }, { usage }] });
  const [first, second] = [await hostWith(), await hostWith()];
  const { sessionId, client } = await place(first);
  const costs = async (usd: number) => {
    client.send({ type: 'response.create' });
    await eventually(async () => {
      await first.realtime.registry.writeActivity();
      await second.realtime.registry.writeActivity();
      return Math.abs((await bench.session(sessionId)).cost.usd! - usd) < 1e-9;
    });
  };
  await client.events.next('session.created');
  await costs(0.032);
  await first.realtime.registry.stop();
  await second.realtime.sweep.sweep();
  await eventually(() => attachments(second, sessionId) === 1);
  await costs(0.064);
  await bench.host.request(`/v1/sessions/${sessionId}/end`, { method: 'POST' });
  await bench.settled(sessionId, 'ended');
  const usd = await eventually(async () => {
    const { rows } = await sql<{ open: number; usd: number }>`
      select count(*) filter (where settled_at is null)::int as open, sum(settled_usd) as usd
      from reservations where session_id = ${sessionId}`.execute(bench.database.db);
    return rows[0]?.open === 0 && rows[0].usd;
  });
  expect(usd).toBeCloseTo(0.064, 10);
  await bench.simulator.behave({ script: [] });
});

describe('a call that nobody holds', () => {
  it.each([
    ['hangup', 'POST'],
    ['end', 'POST'],
    ['erase', 'DELETE'],
  ])('%s: asks the upstream, and again after it refused', async (verb, method) => {
    const { callId, sessionId } = await orphan();
    const session = `/v1/sessions/${sessionId}`;
    const path = { hangup: `/v1/realtime/calls/${callId}/hangup`, end: `${session}/end` }[verb];
    const request = () => bench.host.request(path ?? session, { method });
    await bench.simulator.fault({ fault: 'refuse', status: 503, times: 1, routes: ['hangup'] });
    expect((await request()).status).toBe(503);
    expect(await bench.session(sessionId)).toMatchObject({ state: 'connected' });
    expect((await request()).ok).toBe(true);
    await allHungUp();
  });

  it('is hung up when its time is over', async () => {
    const { sessionId } = await orphan();
    await sql`update sessions set expires_at = now() - interval '1 minute'
      where id = ${sessionId}`.execute(bench.database.db);
    const host = await hostWith();
    await host.realtime.sweep.sweep();
    await bench.settled(sessionId, 'expired');
    await allHungUp();
  });

  it('expires when its model is known no more, and its lease is free', async () => {
    const { sessionId } = await orphan();
    const models = modelsAt(bench.simulator.url);
    const resolve = () => {
      throw new HoldfastError('invalid_request', 'No such model.');
    };
    const host = await hostWith({ models: { ...models, resolve } });
    await host.realtime.sweep.sweep();
    expect(await bench.session(sessionId)).toMatchObject({
      state: 'expired',
      close_reason: 'model_gone',
    });
    const { database } = bench;
    expect(await database.transaction(trx => host.leases.acquire(trx, sessionId))).not.toBeNull();
  });
});

describe('what is under way when the process stops', () => {
  it('a call: is given up as soon as it is placed', async () => {
    const host = await hostWith();
    const delay_ms = 1_000;
    await bench.simulator.fault({ fault: 'delay_open', delay_ms, times: 1, routes: ['calls'] });
    const placing = place(host);
    await eventually(async () => {
      const list = await host.request('/v1/sessions?limit=1');
      const { data } = (await list.json()) as { data: { state: string }[] };
      return data[0]?.state === 'created';
    });
    await host.realtime.registry.stop();
    const { sessionId } = await placing;
    await eventually(async () => (await bench.session(sessionId)).replica === null);
    expect(await bench.session(sessionId)).toMatchObject({ state: 'connected' });
    const end = await bench.host.request(`/v1/sessions/${sessionId}/end`, { method: 'POST' });
    expect(end.status).toBe(200);
  });

  it('an end: is carried out', async () => {
    const host = await hostWith();
    const { sessionId } = await place(host);
    const end = await bench.host.request(`/v1/sessions/${sessionId}/end`, { method: 'POST' });
    expect(end.status).toBe(200);
    await host.realtime.registry.stop();
    await allHungUp();
  });

  it("a client's sideband: is closed as soon as it is open", async () => {
    const host = await hostWith();
    const { callId, sessionId } = await place(host);
    await eventually(() => attachments(host, sessionId) === 1);
    const fault = { fault: 'delay_open', delay_ms: 1_000, times: 1, routes: ['sideband'] };
    await bench.simulator.fault(fault);
    const client = await connectClient(`${host.wsUrl}/v1/realtime?call_id=${callId}`);
    await host.realtime.registry.stop();
    expect(await client.closed).toMatchObject({ code: 1012 });
    await bench.host.request(`/v1/sessions/${sessionId}/end`, { method: 'POST' });
  });
});
