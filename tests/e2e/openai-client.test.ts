import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EventEnvelope, Session } from '@holdfast/protocol';
import OpenAI, { AzureOpenAI } from 'openai';
import { OpenAIRealtimeWS as BetaRealtimeWS } from 'openai/beta/realtime/ws';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificate } from '../../tools/services/certificate.ts';
import { type Server, type Stack, startStack } from './harness/stacks.ts';
import { offerCall } from './harness/webrtc.ts';

/** OpenAI's own client, as it comes from npm, pointed at Holdfast and nothing else changed. */
describe('the openai package', () => {
  let stack: Stack;
  let secure: Server;
  let ca: string;
  let dir: string;

  beforeAll(async () => {
    stack = await startStack('production');
    dir = await mkdtemp(join(tmpdir(), 'holdfast-tls-'));
    const { certPem, keyPem } = await createCertificate();
    ca = certPem;
    await writeFile(join(dir, 'cert.pem'), certPem);
    await writeFile(join(dir, 'key.pem'), keyPem);
    secure = await stack.addServer({
      HOLDFAST_TLS_CERT: join(dir, 'cert.pem'),
      HOLDFAST_TLS_KEY: join(dir, 'key.pem'),
    });
  });
  afterAll(async () => {
    await stack.stop();
    await rm(dir, { recursive: true });
  });

  const rest = (apiKey = 'sk-whatever') => new OpenAI({ apiKey, baseURL: `${stack.url}/v1` });
  const socketClient = (apiKey = 'sk-whatever') =>
    new OpenAI({ apiKey, baseURL: `${secure.url}/v1` });
  const events = async (id: string) => {
    const answer = await fetch(`${stack.url}/v1/sessions/${id}/events`);
    return ((await answer.json()) as { data: EventEnvelope[] }).data;
  };

  type Realtime = Pick<OpenAIRealtimeWS, 'on' | 'close'> & { send(event: unknown): void };

  function collect(realtime: Realtime) {
    const seen: Record<string, unknown>[] = [];
    realtime.on('event', event => seen.push(event as unknown as Record<string, unknown>));
    realtime.on('error', error => seen.push({ type: 'client_error', error }));
    const until = async (type: string) => {
      await expect.poll(() => seen.map(event => event.type), { timeout: 15_000 }).toContain(type);
      return seen.find(event => event.type === type)!;
    };
    return { seen, until };
  }

  const greeting = {
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] },
  };

  it('talks over WebSocket with TLS, and ignores our event', async () => {
    const realtime = new OpenAIRealtimeWS(
      { model: 'gpt-realtime', options: { ca } },
      socketClient(),
    );
    const { until, seen } = collect(realtime as Realtime);
    await until('session.created');
    const ours = (await until('holdfast.session')) as unknown as { session: { id: string } };
    (realtime as Realtime).send(greeting);
    (realtime as Realtime).send({ type: 'response.create' });
    await until('response.output_audio.delta');
    await until('response.done');
    realtime.close();
    expect(seen.filter(event => event.type === 'client_error')).toEqual([]);
    await expect
      .poll(async () => (await events(ours.session.id)).at(-1)?.type)
      .toBe('session.ended');
  });

  it('hears in words why it is refused', async () => {
    const model = 'no model, but a sentence';
    const realtime = new OpenAIRealtimeWS({ model, options: { ca } }, socketClient());
    const { until } = collect(realtime as Realtime);
    const { error } = (await until('client_error')) as unknown as { error: Error };
    expect(error.message).toContain('There is no such model. Allowed: gpt-realtime-2.1, ');
    realtime.close();
  });

  /** What the provider answers next, so often. */
  const refuse = async (rule: Record<string, unknown>) => {
    const body = JSON.stringify({ fault: 'refuse', ...rule });
    const answer = await fetch(`${stack.simulatorUrl}/_simulator/faults`, { method: 'POST', body });
    expect(answer.status).toBe(201);
  };

  it.each([
    [404, 'DeploymentNotFound', 'The API deployment for this resource does not exist.'],
    [429, 'insufficient_quota', 'You exceeded your current quota.'],
  ])('hears why the model refuses with %d %s, and connects no more', async (...refusal) => {
    const [status, code, message] = refusal;
    // Once: whoever asks again is let in.
    await refuse({ status, code, message, times: 1 });
    const realtime = new OpenAIRealtimeWS(
      { model: 'gpt-realtime', reconnect: true, options: { ca } },
      socketClient(),
    );
    const { until } = collect(realtime as Realtime);
    const closed = new Promise(resolve => realtime.on('close', resolve));
    const { error } = (await until('client_error')) as { error: { error: object } };
    expect(error.error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(await closed).toBe(4000);
  });

  it.each([
    [401, 'invalid_api_key', 502, 'upstream_rejected'],
    [429, 'insufficient_quota', 424, 'insufficient_quota'],
  ])('does not place a call again that is refused with %d %s', async (...refusal) => {
    const [status, code, answered, shown] = refusal;
    const { sdp, close } = await offerCall();
    await refuse({ status, code, times: 1, routes: ['calls'] });
    const placing = rest().realtime.calls.create({
      sdp,
      session: { type: 'realtime', model: 'gpt-realtime' },
    });
    await expect(placing).rejects.toMatchObject({ status: answered, code: shown });
    await close();
  });

  it('talks in the shape of Azure', async () => {
    const azure = new AzureOpenAI({
      apiKey: 'azure-key',
      endpoint: secure.url,
      apiVersion: '2025-04-01-preview',
    });
    const realtime = await OpenAIRealtimeWS.azure(azure, {
      deploymentName: 'gpt-realtime',
      options: { ca },
    });
    const { until } = collect(realtime as Realtime);
    await until('session.created');
    (realtime as Realtime).send(greeting);
    (realtime as Realtime).send({ type: 'response.create' });
    await until('response.done');
    realtime.close();
  });

  it('talks the preview protocol, translated both ways', async () => {
    const azure = new AzureOpenAI({
      apiKey: 'azure-key',
      endpoint: secure.url,
      apiVersion: '2024-10-01-preview',
    });
    const realtime = await BetaRealtimeWS.azure(azure, {
      deploymentName: 'gpt-4o-realtime-preview',
      options: { ca },
    });
    const { until, seen } = collect(realtime as unknown as Realtime);
    await until('session.created');
    const send = (event: unknown) => (realtime as unknown as Realtime).send(event);
    send({ type: 'session.update', session: { modalities: ['text', 'audio'], voice: 'alloy' } });
    await until('session.updated');
    send(greeting);
    send({ type: 'response.create' });
    await until('response.audio.delta');
    const done = (await until('response.done')) as { response?: { status?: string } };
    expect(done.response?.status).toBe('completed');
    expect(seen.map(event => event.type)).toContain('conversation.item.created');
    expect(seen.map(event => String(event.type)).filter(type => /output_audio/.test(type))).toEqual(
      [],
    );
    realtime.close();
  });

  it('mints a client secret that opens one session, and no second', async () => {
    const minted = await rest().realtime.clientSecrets.create({
      expires_after: { anchor: 'created_at', seconds: 60 },
      session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Be brief.' },
    });
    expect(minted.value).toMatch(/^ek_/);
    const open = () =>
      new OpenAIRealtimeWS({ model: 'gpt-realtime', options: { ca } }, socketClient(minted.value));
    const first = open();
    const { until } = collect(first as Realtime);
    await until('holdfast.session');
    const second = open();
    const refused = collect(second as Realtime);
    await refused.until('client_error');
    first.close();
    await expect(
      new OpenAI({ apiKey: 'ek_wrong', baseURL: `${stack.url}/v1` }).models.list(),
    ).rejects.toMatchObject({ status: 401 });
  });

  it('creates a call, watches it over the sideband, and hangs up', async () => {
    const call = await offerCall();
    const answer = await rest().realtime.calls.create({
      sdp: call.sdp,
      session: { type: 'realtime', model: 'gpt-realtime' },
    });
    const callId = answer.headers.get('location')!.split('/').at(-1)!;
    expect(callId).toMatch(/^rtc_/);
    await call.accept(await answer.text());
    const sideband = new OpenAIRealtimeWS({ callID: callId, options: { ca } }, socketClient());
    const { until } = collect(sideband as Realtime);
    await until('session.created');
    await call.connected;
    (sideband as Realtime).send(greeting);
    (sideband as Realtime).send({ type: 'response.create' });
    await until('response.done');
    await rest().realtime.calls.hangup(callId);
    const list = (await (await fetch(`${stack.url}/v1/sessions`)).json()) as { data: Session[] };
    const session = list.data.find(({ transport }) => transport === 'webrtc')!;
    const state = async () =>
      ((await (await fetch(`${stack.url}/v1/sessions/${session.id}`)).json()) as Session).state;
    await expect.poll(state, { timeout: 10_000 }).toBe('ended');
    // The journal follows within its bound, also when the call is over.
    const types = async () => (await events(session.id)).map(({ type }) => type);
    await expect.poll(types, { timeout: 5_000 }).toContain('response.done');
    await call.close();
  });

  it('gets the protocol’s own error for a model that does not exist', async () => {
    const answer = await fetch(`${stack.url}/v1/realtime/client_secrets`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ session: { type: 'realtime', model: 'no such model' } }),
    });
    expect(answer.status).toBe(400);
    const body = (await answer.json()) as { error: { message: string; param: string } };
    expect(body.error.param).toContain('model');
    expect(body.error.message).toContain('gpt-realtime');
  });
});
