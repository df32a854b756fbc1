/** OpenAI's own client and the AI SDK, through the gateway, to the simulated coding model. */
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
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

const clientOf = (token: string) =>
  new OpenAI({ apiKey: token, baseURL: `${host.url}/model/openai/v1`, maxRetries: 0 });

describe("OpenAI's client with a run's token", () => {
  it('streams Responses, and the run hears what was used', async () => {
    const run = await host.newRun();
    const calls: ModelCall[] = [];
    const stop = host.gateway.watch(run.id, { onCall: one => calls.push(one), onBudget() {} });
    const stream = clientOf(run.token).responses.stream({ model: 'gpt-x', input: 'Hello.' });
    const response = await stream.finalResponse();
    expect(response.model).toBe('deployed-coder');
    await expect.poll(() => calls.length).toBe(1);
    stop();
    const { input_tokens, output_tokens } = response.usage!;
    expect(calls[0]).toEqual({
      runId: run.id,
      model: 'coder',
      inputTokens: input_tokens,
      outputTokens: output_tokens,
      cachedTokens: 0,
      costUsd: expect.closeTo((input_tokens + 10 * output_tokens) / 1e6, 9),
      status: 200,
    });
  });

  it('answers chat completions, streamed and whole, with usage in both', async () => {
    const { token } = await host.newRun();
    const messages = [{ role: 'user' as const, content: 'Hello.' }];
    const openai = clientOf(token);
    const whole = await openai.chat.completions.create({ model: 'coder', messages });
    expect(whole.usage?.completion_tokens).toBeGreaterThan(0);
    let last: OpenAI.ChatCompletionChunk | undefined;
    const asked = { model: 'coder', messages, stream: true } as const;
    for await (const chunk of await openai.chat.completions.create(asked)) last = chunk;
    expect(last?.usage?.completion_tokens).toBe(whole.usage?.completion_tokens);
  });

  it('lists the models that may be asked for', async () => {
    const { token } = await host.newRun();
    const { data } = await clientOf(token).models.list();
    expect(data.map(one => one.id)).toEqual(['coder', 'free']);
  });

  it('names the allowed models for one that is not there', async () => {
    const { token } = await host.newRun();
    const asked = clientOf(token).responses.create({ model: 'voice', input: 'x' });
    await expect(asked).rejects.toMatchObject({
      status: 400,
      code: 'model_not_found',
      message: expect.stringContaining('coder, free'),
    });
  });
});

describe('the AI SDK with a run’s token', () => {
  it('works with tools in a loop, whole and streamed', async () => {
    const { token } = await host.newRun();
    const provider = createOpenAI({ apiKey: token, baseURL: `${host.url}/model/openai/v1` });
    const called: unknown[] = [];
    const write = tool({
      inputSchema: jsonSchema<Record<string, string>>({
        type: 'object',
        properties: { path: { type: 'string' }, content: { type: 'string' } },
        required: ['path', 'content'],
      }),
      execute: async input => {
        called.push(input);
        return 'ok';
      },
    });
    const options = {
      model: provider.responses('gpt-5.1-codex'),
      prompt: 'Write it down.',
      tools: { write_file: write },
      stopWhen: stepCountIs(5),
    };
    const { finishReason } = await generateText(options);
    expect(finishReason).toBe('stop');
    const streamed = streamText(options);
    await streamed.consumeStream();
    expect(await streamed.finishReason).toBe('stop');
    const written = { path: 'NOTES.md', content: '- Write it down.\n' };
    expect(called).toEqual([written, written]);
  });
});
