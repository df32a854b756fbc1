import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sql } from 'kysely';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useBench } from '../testing/bench.ts';
import { connectClient, eventually, type Refusal } from '../testing/client.ts';
import { openRealtimeHost, type RealtimeHost } from '../testing/host.ts';
import { isSigned } from './signature.ts';

const SECRET = `whsec_${Buffer.from('of the test').toString('base64')}`;
const bench = useBench({}, { SIMULATOR_SPEED: '0' });

/** A back end as OpenAI's guide has it: verifies the webhook, and keeps whose call it is. */
const announced: string[] = [];
let answers = 200;
let backend: Server;
let guarded: RealtimeHost;
beforeAll(async () => {
  const client = new OpenAI({ apiKey: 'none', webhookSecret: SECRET });
  backend = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const headers = request.headers as Record<string, string>;
    const event = await client.webhooks.unwrap(Buffer.concat(parts).toString(), headers);
    if (event.type === 'realtime.call.incoming') announced.push(event.data.call_id);
    response.writeHead(answers).end();
  });
  await new Promise<void>(resolve => backend.listen(0, '127.0.0.1', resolve));
  const { port } = backend.address() as AddressInfo;
  guarded = await openRealtimeHost(bench.database, {
    upstreamUrl: bench.simulator.url,
    sip: {
      secret: async () => SECRET,
      forwardTo: `http://127.0.0.1:${port}/webhooks`,
      projectId: null,
    },
  });
});
afterAll(async () => {
  await guarded.close();
  backend.close();
});

async function simulator(path: string, body?: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${bench.simulator.url}/_simulator/${path}`, {
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  });
  return (await response.json()) as Record<string, unknown>;
}

/** A call comes in and is announced to `host`, or to nobody. */
async function ring(host?: RealtimeHost, secret = SECRET) {
  const { call_id, webhook_status } = await simulator('sip', {
    ...(host && { webhook_url: `${host.url}/v1/realtime/webhook`, webhook_secret: secret }),
  });
  return { id: String(call_id), status: webhook_status };
}

const stateOf = async (id: string) => (await simulator(`sip/${id}`)).state;
const post = (host: RealtimeHost, path: string, body: object = {}, caller?: string) =>
  host.request(`/v1/realtime/calls/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(caller !== undefined && { caller }),
  });
const ACCEPT = { type: 'realtime', model: 'gpt-realtime', instructions: 'Answer the telephone.' };

async function sessionOf(host: RealtimeHost, callId: string) {
  const { data } = (await (await host.request('/v1/sessions')).json()) as {
    data: { id: string; transport: string; state: string }[];
  };
  const row = await bench.database.db
    .withTables<{ sessions: { id: string; call_id: string } }>()
    .selectFrom('sessions')
    .select('id')
    .where('call_id', '=', callId)
    .executeTakeFirstOrThrow();
  return data.find(session => session.id === row.id);
}

describe('a telephone call', () => {
  it('is announced, verified by both, accepted, heard on the sideband, and hung up', async () => {
    const { id, status } = await ring(guarded);
    expect(status).toBe(200);
    expect(announced).toContain(id);
    expect((await post(guarded, `${id}/accept`, ACCEPT)).status).toBe(200);
    const session = await eventually(async () => {
      const found = await sessionOf(guarded, id);
      return found?.state === 'connected' && found;
    });
    expect(session).toMatchObject({ transport: 'sip', type: 'realtime', model: 'gpt-realtime' });
    const sideband = await connectClient(`${guarded.wsUrl}/v1/realtime?call_id=${id}`);
    expect(await sideband.event('session.created')).toMatchObject({
      session: { instructions: ACCEPT.instructions },
    });
    sideband.send({ type: 'response.create' });
    await sideband.event('response.done');
    expect((await post(guarded, `${id}/hangup`)).status).toBe(200);
    expect(await eventually(async () => (await stateOf(id)) === 'ended')).toBe(true);
    const ended = await bench.settled(session.id, 'ended');
    expect(ended.close_reason).toBe('end_requested');
    await eventually(async () => (await bench.session(session.id)).usage.responses === 1);
  });

  it('is referred by who accepted it, and by nobody else', async () => {
    const { id } = await ring();
    await post(bench.host, `${id}/accept`, ACCEPT);
    const target = { target_uri: 'tel:+15550123' };
    const stranger = await post(bench.host, `${id}/refer`, target, 'Developer:eve:default');
    expect(stranger.status).toBe(404);
    expect(await stateOf(id)).toBe('open');
    expect((await post(bench.host, `${id}/refer`, target)).status).toBe(200);
    expect(await simulator(`sip/${id}`)).toMatchObject({ state: 'referred', ...target });
    const session = await sessionOf(bench.host, id);
    await bench.settled(session!.id, 'ended');
  });

  it('is for the one project that answers, where one is named', async () => {
    const host = await openRealtimeHost(bench.database, {
      upstreamUrl: bench.simulator.url,
      sip: { secret: async () => undefined, forwardTo: null, projectId: 'hotline' },
    });
    const { id } = await ring();
    for (const verb of ['accept', 'reject']) {
      const stranger = await post(host, `${id}/${verb}`, ACCEPT, 'Admin:eve:default');
      expect(stranger.status).toBe(404);
    }
    expect(await stateOf(id)).toBe('ringing');
    expect((await post(host, `${id}/reject`, {}, 'Developer:lou:hotline')).status).toBe(200);
    await host.close();
  });

  it('is rejected with a status', async () => {
    const { id } = await ring();
    expect((await post(bench.host, `${id}/reject`, { status_code: 486 })).status).toBe(200);
    expect(await simulator(`sip/${id}`)).toMatchObject({ state: 'rejected', status_code: 486 });
  });

  it('is accepted once, whoever races', async () => {
    const { id } = await ring();
    const answers = await Promise.all(
      ['ann', 'bob', 'eve'].map(name =>
        post(bench.host, `${id}/accept`, ACCEPT, `Developer:${name}:default`),
      ),
    );
    expect(answers.map(answer => answer.status).toSorted()).toEqual([200, 409, 409]);
    expect((await post(bench.host, `${id}/reject`)).status).toBe(409);
    const elsewhere = await post(bench.host, `${id}/accept`, ACCEPT, 'Developer:zoe:another');
    expect(elsewhere.status).toBe(404);
  });

  it('is hung up where the answer to its acceptance is lost, and its id is free', async () => {
    const { id } = await ring();
    await bench.simulator.fault({ fault: 'lose_answer', routes: ['accept'], times: 1 });
    const caller = 'Developer:lou:default';
    expect((await post(bench.host, `${id}/accept`, ACCEPT, caller)).status).toBe(502);
    expect(await stateOf(id)).toBe('ended');
    const again = await post(bench.host, `${id}/accept`, ACCEPT, caller);
    expect(await again.json()).toMatchObject({ error: { code: 'call_id_not_found' } });
  });

  it('is hung up by another replica where the one that accepts it dies over that', async () => {
    const { id } = await ring();
    const host = await openRealtimeHost(bench.database, { upstreamUrl: bench.simulator.url });
    await bench.simulator.fault({
      fault: 'lose_answer',
      routes: ['accept'],
      times: 1,
      after_ms: 2_000,
    });
    const caller = 'Developer:lou:default';
    const accepting = post(host, `${id}/accept`, ACCEPT, caller);
    await eventually(async () => (await stateOf(id)) === 'open');
    const reason = await eventually(async () => {
      await sql`update replicas set beat_at = clock_timestamp() - interval '1 day'
        where id = ${host.leases.replica}`.execute(bench.database.db);
      await bench.host.realtime.sweep.sweep();
      const { rows } = await sql<{ close_reason: string | null }>`
        select close_reason from sessions where call_id = ${id}`.execute(bench.database.db);
      return rows[0]?.close_reason ?? false;
    });
    expect(reason).toBe('replica_lost');
    expect(await simulator(`sip/${id}`)).toMatchObject({ state: 'ended', reason: 'hangup' });
    await accepting;
    await host.close();
  });

  it('takes a place, and gives it back where the provider refuses', async () => {
    for (let count = 0; count < 6; count++) {
      const unknown = await post(bench.host, 'rtc_unknown/accept', ACCEPT, 'Developer:max:default');
      expect(await unknown.json()).toMatchObject({ error: { code: 'call_id_not_found' } });
    }
    const answers: number[] = [];
    for (let count = 0; count < 6; count++) {
      const { id } = await ring();
      answers.push(
        (await post(bench.host, `${id}/accept`, ACCEPT, 'Developer:max:default')).status,
      );
    }
    expect(answers).toEqual([200, 200, 200, 200, 200, 429]);
  });

  it('is nothing for Viewers, client secrets, or a sideband before it is accepted', async () => {
    const { id } = await ring();
    const minted = await bench.host.request('/v1/realtime/client_secrets', { method: 'POST' });
    const { value } = (await minted.json()) as { value: string };
    for (const verb of ['accept', 'reject', 'refer']) {
      const body = { ...ACCEPT, target_uri: 'tel:+1' };
      const response = await bench.host.request(`/v1/realtime/calls/${id}/${verb}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${value}` },
        body: JSON.stringify(body),
      });
      // This host's guard leaves routes to the handlers; the walk of all routes has the rest.
      expect([403, 404]).toContain(response.status);
    }
    const early = await connectClient(`${bench.host.wsUrl}/v1/realtime?call_id=${id}`).catch(
      (error: Refusal) => error,
    );
    expect(early).toMatchObject({ status: 404 });
    expect(await stateOf(id)).toBe('ringing');
  });
});

describe('with a webhook secret', () => {
  it('only announced calls are accepted or rejected', async () => {
    const { id } = await ring();
    for (const verb of ['accept', 'reject']) {
      const response = await post(guarded, `${id}/${verb}`, ACCEPT);
      expect(response.status).toBe(404);
    }
    expect(await stateOf(id)).toBe('ringing');
  });

  it('a webhook with another signature announces nothing', async () => {
    const { id, status } = await ring(guarded, 'whsec_b3RoZXI=');
    expect(status).toBe(401);
    expect(announced).not.toContain(id);
    expect((await post(guarded, `${id}/accept`, ACCEPT)).status).toBe(404);
  });

  it('the provider hears what the back end answers, and tries again', async () => {
    answers = 503;
    expect((await ring(guarded)).status).toBe(503);
    answers = 200;
  });

  it('none is taken without one', async () => {
    expect((await ring(bench.host)).status).toBe(404);
  });
});

describe('a signature', () => {
  const nowMs = 1_796_000_000_000;
  const body = Buffer.from('{"type":"realtime.call.incoming"}');
  const sign = (text: string, key: string | Buffer = Buffer.from('of the test')) =>
    `v1,${createHmac('sha256', key).update(text).digest('base64')}`;
  const timestamp = String(nowMs / 1000);
  const right = {
    'webhook-id': 'wh_1',
    'webhook-timestamp': timestamp,
    'webhook-signature': sign(`wh_1.${timestamp}.${body}`),
  };
  const check = (headers: object, at = nowMs, bytes = body, secret = SECRET) =>
    isSigned({ headers: { ...right, ...headers }, body: bytes }, secret, at);

  it('holds for its bytes, also as one of several, for five minutes either way', () => {
    expect(check({})).toBe(true);
    const several = `v1,AAAA ${sign('x')} ${right['webhook-signature']}`;
    expect(check({ 'webhook-signature': several })).toBe(true);
    expect(check({}, nowMs + 300_000)).toBe(true);
    expect(check({}, nowMs - 300_000)).toBe(true);
    const plain = { 'webhook-signature': sign(`wh_1.${timestamp}.${body}`, 'plain') };
    expect(check(plain, nowMs, body, 'plain')).toBe(true);
  });

  it.each([
    ['later', {}, nowMs + 301_000],
    ['earlier', {}, nowMs - 301_000],
    ['another id', { 'webhook-id': 'wh_2' }, nowMs],
    ['no id', { 'webhook-id': undefined }, nowMs],
    ['no signature', { 'webhook-signature': undefined }, nowMs],
    ['an empty signature', { 'webhook-signature': '' }, nowMs],
    ['a cut signature', { 'webhook-signature': right['webhook-signature'].slice(0, 20) }, nowMs],
    ['another key', { 'webhook-signature': sign(`wh_1.${timestamp}.${body}`, 'other') }, nowMs],
    ['a timestamp that is none', { 'webhook-timestamp': `${timestamp}.0` }, nowMs],
    [
      '33rd of many',
      { 'webhook-signature': `${'v1,AAAA '.repeat(32)}${right['webhook-signature']}` },
      nowMs,
    ],
  ])('does not hold: %s', (_, headers, at) => {
    expect(check(headers, at)).toBe(false);
  });

  it('does not hold for other bytes', () => {
    expect(check({}, nowMs, Buffer.from(`${body} `))).toBe(false);
  });
});
