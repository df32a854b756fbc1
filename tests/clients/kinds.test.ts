import { OpenAIRealtimeSIP, RealtimeAgent, RealtimeSession } from '@openai/agents-realtime';
import OpenAI, { APIError, AzureOpenAI } from 'openai';
import { OpenAIRealtimeWS as BetaRealtimeWS } from 'openai/beta/realtime/ws';
import { OpenAIRealtimeTranslationWS } from 'openai/realtime/translations/ws';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { fixedLimits } from '../../packages/server/src/auth/testing/index.ts';
import type { Database } from '../../packages/server/src/platform/database/index.ts';
import { openTestDatabase } from '../../packages/server/src/platform/database/testing.ts';
import {
  openRealtimeHost,
  type RealtimeHost,
} from '../../packages/server/src/realtime/testing/host.ts';
import { startTlsFront, type TlsFront } from '../../packages/simulator/src/testing/tls-front.ts';
import { OPENED, type SessionKind } from '../../tools/docs/clients/kinds.ts';
import { type SimulatorService, startSimulator } from '../../tools/services/simulator.ts';
import { launchBrowser } from '../e2e/harness/browser.ts';
import { talkOverWebRtc } from './agents-page.ts';

/** Stock clients, as they come from npm, open each type of session in their own way. */
let database: Database;
let simulator: SimulatorService;
let host: RealtimeHost;
let front: TlsFront;
let browser: Browser;
beforeAll(async () => {
  [database, simulator, browser] = await Promise.all([
    openTestDatabase(),
    startSimulator({ SIMULATOR_SPEED: '0' }),
    launchBrowser(''),
  ]);
  const limits = fixedLimits({ maxSessions: 100 });
  host = await openRealtimeHost(database, { upstreamUrl: simulator.url, limits });
  front = await startTlsFront(host.url);
});
afterAll(async () => {
  await browser.close();
  await front.close();
  await host.close();
  await simulator.stop();
  await database.close();
});

const WAIT_MS = 15_000;
const apiKey = 'sk-of-the-test';
const model = 'gpt-realtime';
const rest = () => new OpenAI({ apiKey, baseURL: `${host.url}/v1`, maxRetries: 0 });
const secure = (key = apiKey) => new OpenAI({ apiKey: key, baseURL: `${front.url}/v1` });
const azure = () =>
  new AzureOpenAI({ apiKey, endpoint: front.url, apiVersion: '2025-04-01-preview' });
const tls = () => ({ options: { ca: front.ca } });

interface Emitter {
  on(name: 'event' | 'error', listener: (value: { type?: string }) => void): unknown;
  send(event: never): void;
  close(): void;
}

/** Waits for the first event of that type; fails on an error of the client. */
async function hears(client: Emitter, type: string, say?: () => void): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new Error(`No ${type} came.`)), WAIT_MS);
  client.on('error', error => reject(error as unknown as Error));
  client.on('event', event => {
    if (event.type?.endsWith('session.created')) say?.();
    if (event.type === type) resolve();
  });
  await promise.finally(() => clearTimeout(timer));
  client.close();
  return 'works';
}

/** What a program speaks that uses no client library. */
function raw(rest: string, key = apiKey): Emitter {
  const headers = { authorization: `Bearer ${key}` };
  const socket = new WebSocket(`${host.wsUrl}/v1/realtime${rest}`, { headers });
  return {
    on(name, listener) {
      if (name === 'error') socket.on('error', error => listener(error as never));
      else socket.on('message', data => listener(JSON.parse(String(data))));
    },
    send: event => socket.send(JSON.stringify(event)),
    close: () => socket.close(),
  };
}

/** A telephone call that was accepted with the client's own REST. */
async function telephoned(): Promise<string> {
  const rung = await fetch(`${simulator.url}/_simulator/sip`, { method: 'POST', body: '{}' });
  const { call_id } = (await rung.json()) as { call_id: string };
  await rest().realtime.calls.accept(call_id, { type: 'realtime', model: 'gpt-realtime' });
  return call_id;
}

const talks = (client: Emitter) =>
  hears(client, 'response.done', () => client.send({ type: 'response.create' } as never));

async function agentTalks(url: string, key: string): Promise<string> {
  const agent = new RealtimeAgent({ name: 'tester', instructions: 'Be brief.' });
  const session = new RealtimeSession(agent, { transport: 'websocket', model: 'gpt-realtime' });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  session.on('error', reject);
  session.transport.on('*', event => {
    if (event.type === 'response.done') resolve();
  });
  await session.connect({ apiKey: key, url });
  session.sendMessage('Hello.');
  await promise;
  session.close();
  return 'works';
}

/** In Chromium, with a microphone; its events and audio do not pass the server. */
async function agentCalls(key: string): Promise<string> {
  const { types, instructions } = await talkOverWebRtc(browser, {
    url: host.url,
    apiKey: key,
    model,
  });
  expect(types).toEqual(expect.arrayContaining(['session.created', 'response.done']));
  expect(instructions).toBe('Be brief, in a browser.');
  return 'works';
}

async function agentJoins(callId: string): Promise<string> {
  const transport = new OpenAIRealtimeSIP();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  transport.on('error', reject);
  transport.on('*', event => {
    if (event.type === 'session.updated') resolve();
  });
  const url = `${host.wsUrl}/v1/realtime?call_id=${callId}`;
  // The model that the call was accepted with; by default it names its own.
  await transport.connect({ apiKey, callId, url, model });
  await promise;
  transport.close();
  return 'works';
}

async function minted(): Promise<string> {
  const secret = await rest().realtime.clientSecrets.create({
    session: { type: 'realtime', model },
  });
  return secret.value;
}

type Attempts = Partial<Record<SessionKind, () => Promise<string>>>;
const ATTEMPTS: Readonly<Record<string, Attempts>> = {
  '`openai`': {
    conversation: () => talks(new OpenAIRealtimeWS({ model, ...tls() }, secure()) as Emitter),
    transcription: () => {
      const intent = { intent: 'transcription' as const, ...tls() };
      const client = new OpenAIRealtimeWS(intent, secure()) as Emitter;
      const session = { type: 'transcription' };
      return hears(client, 'session.updated', () =>
        client.send({ type: 'session.update', session } as never),
      );
    },
    async translation() {
      const client = await OpenAIRealtimeTranslationWS.create(secure(), { model, ...tls() });
      return hears(client as unknown as Emitter, 'session.closed', () => client.session.close());
    },
    async 'sideband of a telephone call'() {
      const callID = await telephoned();
      return talks(new OpenAIRealtimeWS({ callID, ...tls() }, secure()) as Emitter);
    },
    'client secret': async () =>
      talks(new OpenAIRealtimeWS({ model, ...tls() }, secure(await minted())) as Emitter),
    async 'GPT-Live'() {
      const session = { model: 'gpt-live-1' };
      const transport = { type: 'webrtc' as const, sdp: 'v=0' };
      await rest().live.create({ session, transport } as never);
      return 'works';
    },
  },
  '`openai`, Azure': {
    conversation: async () =>
      talks(
        (await OpenAIRealtimeWS.azure(azure(), { deploymentName: model, ...tls() })) as Emitter,
      ),
    transcription: async () =>
      hears(
        (await OpenAIRealtimeWS.azure(azure(), { intent: 'transcription', ...tls() })) as Emitter,
        'session.created',
      ),
    async 'sideband of a telephone call'() {
      const callID = await telephoned();
      return talks((await OpenAIRealtimeWS.azure(azure(), { callID, ...tls() })) as Emitter);
    },
  },
  '`openai`, beta': {
    conversation: () => talks(new BetaRealtimeWS({ model, ...tls() }, secure()) as Emitter),
    async transcription() {
      const session = await rest().beta.realtime.transcriptionSessions.create({});
      expect(session.client_secret.value).toMatch(/^ek_/);
      return 'works';
    },
    async 'sideband of a telephone call'() {
      const callID = await telephoned();
      return talks(new BetaRealtimeWS({ callID, ...tls() }, secure()) as Emitter);
    },
    async 'client secret'() {
      const { client_secret } = await rest().beta.realtime.sessions.create({
        // Its typings name the models of its time only.
        model: model as 'gpt-4o-realtime-preview',
        voice: 'echo',
      });
      return talks(new BetaRealtimeWS({ model, ...tls() }, secure(client_secret.value)) as Emitter);
    },
  },
  '`openai`, beta, Azure': {
    conversation: async () =>
      talks((await BetaRealtimeWS.azure(azure(), { deploymentName: model, ...tls() })) as Emitter),
  },
  'a WebSocket of one’s own': {
    conversation: () => talks(raw(`?model=${model}`)),
    transcription: () => {
      const client = raw('?intent=transcription');
      const session = { type: 'transcription' };
      return hears(client, 'session.updated', () =>
        client.send({ type: 'session.update', session } as never),
      );
    },
    translation: () => {
      const client = raw(`/translations?model=${model}`);
      return hears(client, 'session.closed', () => client.send({ type: 'session.close' } as never));
    },
    'sideband of a telephone call': async () => talks(raw(`?call_id=${await telephoned()}`)),
    'client secret': async () => talks(raw(`?model=${model}`, await minted())),
  },
  '`@openai/agents-realtime`, WebSocket': {
    conversation: () => agentTalks(`${host.wsUrl}/v1/realtime?model=${model}`, apiKey),
    'sideband of a telephone call': async () => agentJoins(await telephoned()),
    'client secret': async () =>
      agentTalks(`${host.wsUrl}/v1/realtime?model=${model}`, await minted()),
  },
  '`@openai/agents-realtime`, WebRTC': {
    // Without a client secret it posts an offer that names no model, as it does to OpenAI.
    conversation: () => agentCalls(apiKey).catch(String),
    'client secret': async () => agentCalls(await minted()),
  },
};

describe.each(Object.entries(OPENED))('%s', (client, row) => {
  it.each(Object.entries(row) as [SessionKind, string][])('%s: %s', async (kind, expected) => {
    const attempt = ATTEMPTS[client]?.[kind];
    const outcome = await attempt?.().catch((error: unknown) =>
      error instanceof APIError ? error.message : Promise.reject(error),
    );
    if (expected === 'works') expect(outcome).toBe('works');
    else if (expected === '–') expect(attempt).toBeUndefined();
    else expect(outcome).toContain(expected);
  });
});
