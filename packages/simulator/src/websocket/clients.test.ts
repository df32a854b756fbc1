/**
 * Other people's clients against the simulator, unchanged: `openai` over TLS (OpenAI and Azure) and
 * its REST calls, and `@openai/agents-realtime` over a plain WebSocket.
 */
import { RealtimeAgent, RealtimeSession, tool } from '@openai/agents-realtime';
import OpenAI, { AzureOpenAI } from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { concat, toBytes } from '../audio/pcm.ts';
import { type Simulator, startSimulator } from '../server.ts';
import { type AnyEvent, EventLog, until } from '../testing/events.ts';
import { silence, tone } from '../testing/sound.ts';
import { startTlsFront, type TlsFront } from '../testing/tls-front.ts';

const KEY = 'sk-clients';
const SPEECH = concat([tone(800), silence(700)]);
let simulator: Simulator;
let front: TlsFront;

beforeAll(async () => {
  simulator = await startSimulator({ apiKey: KEY, seed: 'clients', speed: 0 });
  front = await startTlsFront(simulator.url);
});

afterAll(async () => {
  await front.close();
  await simulator.close();
});

function logOf(realtime: OpenAIRealtimeWS): EventLog {
  const log = new EventLog();
  realtime.on('event', event => log.push(event as unknown as AnyEvent));
  realtime.on('error', () => {});
  return log;
}

async function converse(realtime: OpenAIRealtimeWS): Promise<void> {
  const log = logOf(realtime);
  const created = await log.next('session.created');
  expect(created.session.model).toBe('gpt-realtime');
  realtime.send({
    type: 'session.update',
    session: {
      type: 'realtime',
      audio: { input: { transcription: { model: 'gpt-4o-mini-transcribe' } } },
    },
  });
  await log.next('session.updated');
  const audio = toBytes(SPEECH).toString('base64');
  realtime.send({ type: 'input_audio_buffer.append', audio });
  await log.next('input_audio_buffer.speech_started');
  const done = await log.next('response.done');
  expect(done.response.status).toBe('completed');
  const deltas = log.of('response.output_audio.delta').map(event => event.delta as string);
  const spoken = Buffer.concat(deltas.map(delta => Buffer.from(delta, 'base64')));
  expect(toBytes(SPEECH).subarray(0, spoken.length).equals(spoken)).toBe(true);
  const closed = new Promise(resolve => realtime.socket.once('close', resolve));
  realtime.close();
  await closed;
}

describe('openai', () => {
  it('talks through OpenAIRealtimeWS', async () => {
    const client = new OpenAI({ apiKey: KEY, baseURL: `${front.url}/v1` });
    const options = { ca: front.ca };
    await converse(new OpenAIRealtimeWS({ model: 'gpt-realtime', options }, client));
  });

  it('talks through OpenAIRealtimeWS.azure', async () => {
    const client = new AzureOpenAI({ apiKey: KEY, endpoint: front.url, apiVersion: '2025-08-28' });
    const options = { ca: front.ca };
    const azure = OpenAIRealtimeWS.azure(client, { deploymentName: 'gpt-realtime', options });
    await converse(await azure);
  });

  it('gets the error for a wrong key', async () => {
    const client = new OpenAI({
      apiKey: 'sk-wrong',
      baseURL: `${simulator.url}/v1`,
      maxRetries: 0,
    });
    const attempt = client.realtime.clientSecrets.create({});
    await expect(attempt).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  it('mints client secrets that open sessions, and gets the error for a wrong call', async () => {
    const client = new OpenAI({ apiKey: KEY, baseURL: `${simulator.url}/v1`, maxRetries: 0 });
    const secret = await client.realtime.clientSecrets.create({
      expires_after: { anchor: 'created_at', seconds: 60 },
      session: { type: 'realtime', model: 'gpt-realtime', instructions: 'Short.' },
    });
    expect(secret.value).toMatch(/^ek_/);
    expect(secret.session).toMatchObject({ object: 'realtime.session', instructions: 'Short.' });
    const holder = new OpenAI({ apiKey: secret.value, baseURL: `${front.url}/v1` });
    const options = { ca: front.ca };
    const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime', options }, holder);
    const created = await logOf(realtime).next('session.created');
    expect(created.session.instructions).toBe('Short.');
    realtime.close();
    const call = client.realtime.calls.create({ sdp: 'nonsense' });
    await expect(call).rejects.toMatchObject({ status: 400, code: 'invalid_offer' });
    const hangUp = client.realtime.calls.hangup('rtc_unknown');
    await expect(hangUp).rejects.toMatchObject({ status: 404 });
  });
});

describe('@openai/agents-realtime', () => {
  it('holds a conversation with a tool', async () => {
    const colours: string[] = [];
    const changeBackgroundColor = tool({
      name: 'changeBackgroundColor',
      description: 'Changes the background color',
      parameters: z.object({ color: z.string() }),
      execute: async ({ color }) => {
        colours.push(color);
        return 'done';
      },
    });
    const agent = new RealtimeAgent({
      name: 'tester',
      instructions: 'Be brief.',
      tools: [changeBackgroundColor],
    });
    const session = new RealtimeSession(agent, { model: 'gpt-realtime', transport: 'websocket' });
    const log = new EventLog();
    session.on('transport_event', event => log.push(event as AnyEvent));
    const url = `${simulator.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
    await session.connect({ apiKey: KEY, url });
    await log.next('session.updated');
    session.sendMessage('make the background #abcdef');
    await log.next('response.function_call_arguments.done');
    const confirmed = await log.next('response.output_audio_transcript.done');
    expect(confirmed.transcript).toContain('changeBackgroundColor has answered');
    expect(colours).toEqual(['#abcdef']);
    await log.next('response.done');
    const bytes = toBytes(SPEECH);
    session.sendAudio(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    );
    await log.next('response.done');
    await until('the transcript in the history', () =>
      session.history.find(
        item =>
          item.type === 'message' &&
          item.role === 'user' &&
          JSON.stringify(item.content).includes('s of speech'),
      ),
    );
    expect(log.of('error')).toEqual([]);
    expect(session.usage.totalTokens).toBeGreaterThan(0);
    session.close();
  });
});
