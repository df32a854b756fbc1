import {
  OpenAIRealtimeWebSocket,
  RealtimeAgent,
  RealtimeSession,
  tool,
} from '@openai/agents-realtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Stack, startStack } from './harness/stacks.ts';

/** What the SDK sends by default; it takes no model from elsewhere when it has a URL. */
const DEFAULT_MODEL = 'gpt-realtime-2.1';

/** OpenAI's agents SDK, as it comes from npm. */
describe('@openai/agents-realtime', () => {
  let stack: Stack;
  beforeAll(async () => {
    const script = [{ call: { name: 'lookUp', arguments: { word: 'holdfast' } } }];
    stack = await startStack('embedded', {
      simulator: { SIMULATOR_SCRIPT: JSON.stringify(script) },
    });
  });
  afterAll(() => stack.stop());

  it('holds a conversation with a tool call', async () => {
    const asked: string[] = [];
    const lookUp = tool({
      name: 'lookUp',
      description: 'Looks up a word.',
      parameters: z.object({ word: z.string() }),
      execute: async ({ word }) => {
        asked.push(word);
        return 'a strong grip';
      },
    });
    const agent = new RealtimeAgent({ name: 'tester', instructions: 'Be brief.', tools: [lookUp] });
    const url = `${stack.url.replace('http', 'ws')}/v1/realtime?model=${DEFAULT_MODEL}`;
    const session = new RealtimeSession(agent, {
      transport: new OpenAIRealtimeWebSocket({ url }),
    });
    const seen: string[] = [];
    session.transport.on('*', event => seen.push(event.type));
    await session.connect({ apiKey: 'sk-whatever', url });
    session.sendMessage('What does holdfast mean?');
    await expect.poll(() => asked, { timeout: 15_000 }).toEqual(['holdfast']);
    const answers = () => seen.filter(type => type === 'response.done').length;
    await expect.poll(answers, { timeout: 15_000 }).toBeGreaterThanOrEqual(2);
    expect(seen).toContain('session.updated');
    session.close();
  });

  it('hears in words why it is refused', async () => {
    const url = `${stack.url.replace('http', 'ws')}/v1/realtime?model=no%20model`;
    const transport = new OpenAIRealtimeWebSocket({ url });
    const session = new RealtimeSession(new RealtimeAgent({ name: 'tester' }), { transport });
    const errors: unknown[] = [];
    session.on('error', ({ error }) => errors.push(error));
    await session.connect({ apiKey: 'sk-whatever', url }).catch(() => {});
    await expect
      .poll(() => JSON.stringify(errors), { timeout: 15_000 })
      .toContain('There is no such model.');
    session.close();
  });
});
