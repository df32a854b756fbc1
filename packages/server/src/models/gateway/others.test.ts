/** Messages and Gemini through the gateway, streamed and whole, with what they used. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SimulatorService, startSimulator } from '../../../../../tools/services/simulator.ts';
import type { Database } from '../../platform/database/index.ts';
import { openTestDatabase } from '../../platform/database/testing.ts';
import { CATALOGUE_KEY, type GatewayHost, openGatewayHost } from '../testing/host.ts';
import type { ModelCall } from './gateway.ts';

let database: Database;
let simulator: SimulatorService;
let host: GatewayHost;

beforeAll(async () => {
  database = await openTestDatabase();
  simulator = await startSimulator({ SIMULATOR_API_KEY: CATALOGUE_KEY });
  host = await openGatewayHost(database, { upstreamUrl: simulator.url });
});
afterAll(async () => {
  await host.close();
  await simulator.stop();
  await database.close();
});

/** Enough that the simulator counts half of it as cached once there were calls. */
const LONG = 'x'.repeat(8_000);
const MESSAGES = {
  model: 'claude-opus-9',
  max_tokens: 100,
  tools: [{ name: 'Bash', input_schema: { properties: { command: { type: 'string' } } } }],
  messages: [
    { role: 'user', content: `Do it. ${LONG}` },
    { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'Bash', input: {} }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content: 'a.txt' }] },
  ],
};
const CONTENTS = { contents: [{ role: 'user', parts: [{ text: 'Hello.' }] }] };
const GEMINI = '/model/gemini/v1beta/models/gemini-9';

async function called(path: string, body: unknown) {
  const run = await host.newRun();
  const calls: ModelCall[] = [];
  const stop = host.gateway.watch(run.id, { onCall: one => calls.push(one), onBudget() {} });
  const headers = { 'x-api-key': run.token };
  const { status, text } = await host.overSocket(run.id, path, { headers, body });
  expect(status).toBe(200);
  await expect.poll(() => calls.length).toBe(1);
  stop();
  return { text, call: calls[0]! };
}

describe('Messages', () => {
  it('are read alike whole and streamed, caches included', async () => {
    const whole = await called('/model/anthropic/v1/messages?beta=true', MESSAGES);
    const { usage, model } = JSON.parse(whole.text);
    expect(model).toBe('claude');
    expect(whole.call).toMatchObject({
      model: 'claude',
      inputTokens: usage.input_tokens + usage.cache_read_input_tokens,
      cachedTokens: usage.cache_read_input_tokens,
      outputTokens: usage.output_tokens,
    });
    expect(whole.call.cachedTokens).toBeGreaterThan(1_000);
    const body = { ...MESSAGES, stream: true };
    const streamed = await called('/model/anthropic/v1/messages', body);
    expect(streamed.text).toMatch(/^event: message_start\ndata: /);
    expect(streamed.call.outputTokens).toBe(whole.call.outputTokens);
    expect(streamed.call.cachedTokens).toBeGreaterThan(1_000);
    const { inputTokens, cachedTokens, outputTokens, costUsd } = streamed.call;
    const uncached = inputTokens - cachedTokens;
    const expected = (uncached + 0.1 * cachedTokens + 10 * outputTokens) / 1e6;
    expect(costUsd).toBeCloseTo(expected, 12);
  });

  it('are counted without a charge', async () => {
    const run = await host.newRun();
    const path = '/model/anthropic/v1/messages/count_tokens';
    const headers = { 'x-api-key': run.token };
    const { status, text } = await host.overSocket(run.id, path, { headers, body: MESSAGES });
    expect([status, JSON.parse(text)]).toEqual([200, { input_tokens: expect.any(Number) }]);
  });

  it('keep the provider’s words for an error', async () => {
    const run = await host.newRun();
    const messages = [{ role: 'user', content: '[[simulate: error 529]]' }];
    const { status, text } = await host.overSocket(run.id, '/model/anthropic/v1/messages', {
      headers: { authorization: `Bearer ${run.token}` },
      body: { model: 'claude', max_tokens: 5, messages },
    });
    expect(status).toBe(529);
    expect(JSON.parse(text)).toMatchObject({ error: { type: 'overloaded_error' } });
  });
});

describe('a model that thinks', () => {
  it('is waited for longer than an idle connection is kept', async () => {
    const contents = [{ role: 'user', parts: [{ text: '[[simulate: slow 4500]] Hello.' }] }];
    const { call } = await called(`${GEMINI}:generateContent`, { contents });
    expect(call.status).toBe(200);
  }, 60_000);
});

describe('Gemini', () => {
  it('is read alike whole and streamed', async () => {
    const whole = await called(`${GEMINI}:generateContent`, CONTENTS);
    const { usageMetadata, modelVersion } = JSON.parse(whole.text);
    expect(modelVersion).toBe('gemini');
    expect(whole.call).toMatchObject({
      inputTokens: usageMetadata.promptTokenCount,
      outputTokens: usageMetadata.candidatesTokenCount,
    });
    const streamed = await called(`${GEMINI}:streamGenerateContent?alt=sse`, CONTENTS);
    expect(streamed.text).toMatch(/^data: /);
    expect(streamed.call).toEqual({ ...whole.call, runId: expect.any(String) });
  });

  it('names the allowed models in Google’s shape', async () => {
    const run = await host.newRun();
    const path = '/model/gemini/v1beta/models/coder:generateContent';
    const headers = { 'x-goog-api-key': run.token };
    const { status, text } = await host.overSocket(run.id, path, { headers, body: CONTENTS });
    expect(status).toBe(400);
    expect(JSON.parse(text).error).toMatchObject({
      status: 'INVALID_ARGUMENT',
      message: expect.stringContaining('Allowed: gemini.'),
      details: [{ reason: 'unknown_model' }],
    });
  });
});
